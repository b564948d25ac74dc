import type { PartOutcome } from '@lockstep/contracts'
import type { FeedEntry } from '@lockstep/feeds'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'

/** The connection that a part is for, or why it is for none. */
export type ConnectionAt = ConnectionInterval | Extract<PartOutcome, 'no_connection' | 'wrong_app'>

/**
 * The connection that had each part's number when the part was received, if it is bound to the app
 * that signed it. Asked after the receipt of each part, so that no interval can change the answer.
 */
export async function connectionsAt(
  ctx: Context,
  entries: readonly FeedEntry[],
): Promise<(entry: FeedEntry) => ConnectionAt> {
  const times = entries.map((entry) => entry.asOfMs)
  const { intervals } = await ctx.peers.accounts.resolveConnections(
    {
      phoneNumberIds: [...new Set(entries.map((entry) => entry.key))],
      fromMs: Math.min(...times),
      untilMs: Math.max(...times),
    },
    {},
  )
  const byNumber = Map.groupBy(intervals, (interval) => interval.phoneNumberId)
  return ({ key, asOfMs, appId }) => {
    const matching = (byNumber.get(key) ?? []).filter((interval) => covers(interval, asOfMs))
    if (matching.length === 0) return 'no_connection'
    return matching.find((interval) => interval.appId === appId) ?? 'wrong_app'
  }
}

function covers(
  { connectedAtMs, disconnectedAtMs = Number.POSITIVE_INFINITY }: ConnectionInterval,
  atMs: number,
): boolean {
  return connectedAtMs <= atMs && atMs < disconnectedAtMs
}
