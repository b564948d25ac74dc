import type { ConnectedNumber } from '../apps/number-cache.ts'
import type { Context } from '../context.ts'
import { oldestToAdopt, type UnhandledRow } from '../db/unhandled-replies.ts'
import { lookBackMs } from '../parts/adopt.ts'

export type PartToAdopt = UnhandledRow & { appId: string }

/** As many numbers as one statement looks for. */
const maxNumbers = 500

/** The oldest part that is no_connection although its app has the number now; null for none. */
export async function oldestPartToAdopt(
  ctx: Context,
  numbers: ConnectedNumber[],
): Promise<PartToAdopt | null> {
  let oldest: PartToAdopt | null = null
  for (const [appId, ofApp] of Map.groupBy(numbers, (number) => number.appId)) {
    const ids = ofApp.map(({ phoneNumberId }) => phoneNumberId)
    for (let i = 0; i < ids.length; i += maxNumbers) {
      const page = ids.slice(i, i + maxNumbers)
      const found = await ctx.db.system((tx) => oldestToAdopt(tx, appId, page))
      oldest = older(oldest, found ? { ...found, appId } : null)
    }
  }
  return oldest
}

/**
 * The account's apps that had a number since parts are kept: connecting it adopts what any of them
 * signed.
 */
export async function appsOfNumber(
  ctx: Context,
  accountId: string,
  { phoneNumberId, connectedAtMs }: { phoneNumberId: string; connectedAtMs: number },
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const untilMs = Math.max(ctx.now(), connectedAtMs)
  const fromMs = untilMs - lookBackMs
  if (connectedAtMs < fromMs) return []
  const { intervals } = await ctx.peers.accounts.resolveConnections(
    { phoneNumberIds: [phoneNumberId], wabaIds: [], fromMs, untilMs },
    { signal },
  )
  const own = intervals.filter((interval) => interval.accountId === accountId)
  return [...new Set(own.map(({ appId }) => appId))]
}

/** The one that was received first. */
export const older = <Part extends UnhandledRow>(a: Part | null, b: Part | null): Part | null =>
  !a || (b && b.receivedAtMs < a.receivedAtMs) ? b : a
