import type { FeedEntry } from '@lockstep/feeds'
import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Context } from './context.ts'

/** Whose a webhook part is: a connection's, or nobody's and why. */
export type Owner = ConnectionInterval | 'no_connection' | 'wrong_app'

/**
 * Whose each part is: the connection that had the number when the part was received, if it is bound to the app that signed it.
 * One call for all numbers. The answer is asked for after the receipt of each part, so that no interval can change it any more.
 */
export async function ownersOf(
  ctx: Context,
  entries: readonly FeedEntry[],
): Promise<(entry: FeedEntry) => Owner> {
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
    const then = (byNumber.get(key) ?? []).filter((interval) => covers(interval, asOfMs))
    if (then.length === 0) return 'no_connection'
    return then.find((interval) => interval.appId === appId) ?? 'wrong_app'
  }
}

function covers(
  { connectedAtMs, disconnectedAtMs = Number.POSITIVE_INFINITY }: ConnectionInterval,
  atMs: number,
): boolean {
  return connectedAtMs <= atMs && atMs < disconnectedAtMs
}
