import { type EventContent, type LaneName, lanes } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { FeedContext } from './context.ts'
import { feed } from './source.ts'

/** An event, with its account where the transaction has several. */
export type AnnouncedEvent = EventContent & { accountId?: string }

/**
 * Tells those who follow an account what this transaction has done. One entry an account and call,
 * however many events.
 */
export async function announce(
  ctx: Pick<FeedContext, 'config' | 'messaging'>,
  tx: Tx,
  ...events: AnnouncedEvent[]
): Promise<void> {
  const lane = `events.${ctx.config.service}` as LaneName
  if (!(lane in lanes)) throw new Error(`There is no lane ${lane}`)
  const byAccount = Map.groupBy(events, ({ accountId = tx.accountId! }) => accountId)
  const entries = [...byAccount].map(([accountId, own]) => {
    const body: EventContent[] = own.map(({ kind, subjectId, body }) => ({ kind, subjectId, body }))
    return { lane, key: accountId, accountId, body }
  })
  await feed(ctx, tx, ...entries)
}
