import type { FeedEntry } from '@lockstep/feeds'
import type { ConnectionInterval, ResolveConnectionsRequest } from '@lockstep/rpc/gen/accounts'

/** The intervals of a webhook part's number or WABA, or the outcome of a part that is nobody's. */
export type ConnectionsAt = ConnectionInterval[] | 'no_connection' | 'wrong_app'

/**
 * Says for each entry, whose keys are numbers or WABAs, which intervals covered its receipt by the
 * app that signed it.
 */
export async function connectionsAt(
  entries: readonly FeedEntry[],
  key: 'phoneNumberId' | 'wabaId',
  ask: (request: ResolveConnectionsRequest) => Promise<ConnectionInterval[]>,
): Promise<(entry: FeedEntry) => ConnectionsAt> {
  const keys = [...new Set(entries.map((entry) => entry.key))]
  const times = entries.map(({ asOfMs }) => asOfMs)
  const intervals = await ask({
    phoneNumberIds: key === 'phoneNumberId' ? keys : [],
    wabaIds: key === 'wabaId' ? keys : [],
    fromMs: Math.min(...times),
    untilMs: Math.max(...times),
  })
  const byKey = Map.groupBy(intervals, (interval) => interval[key])
  return (entry) => {
    const atReceipt = (byKey.get(entry.key) ?? []).filter((each) => covers(each, entry.asOfMs))
    if (atReceipt.length === 0) return 'no_connection'
    const ofApp = atReceipt.filter(({ appId }) => appId === entry.appId)
    return ofApp.length > 0 ? ofApp : 'wrong_app'
  }
}

function covers(
  { connectedAtMs, disconnectedAtMs = Number.POSITIVE_INFINITY }: ConnectionInterval,
  atMs: number,
): boolean {
  return connectedAtMs <= atMs && atMs < disconnectedAtMs
}
