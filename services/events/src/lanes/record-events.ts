import { type EventContent, eventKinds, events, type LaneOf } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { type FeedEntry, feed, type SetHandler } from '@lockstep/feeds'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { insertDeliveries } from '../db/deliveries.ts'
import { lockEnabledEndpoints } from '../db/endpoints.ts'
import { type EventKey, insertEvents, lockPositions, type NewEvent } from '../db/events.ts'
import { firstDayKept } from '../first-day-kept.ts'

const recorded = counter('lockstep_events_recorded_total', 'Events of accounts, by their lane')

/** Records what one service tells. An entry that comes again, from whichever worker, adds nothing. */
export function recordEvents(source: LaneOf<'events'>): SetHandler<Context> {
  return async (ctx, entries) => {
    const keptFrom = firstDayKept(ctx).getTime()
    const rows = entries.filter(({ asOfMs }) => asOfMs >= keptFrom).flatMap(eventsOf)
    if (rows.length === 0) return []
    const accountIds = [...new Set(rows.map(({ accountId }) => accountId))].sort()
    await ctx.db.transaction(accountIds, async (tx) => {
      await lockPositions(tx, accountIds)
      const inserted = await insertEvents(tx, source, rows)
      recorded(inserted.length, { lane: source })
      await orderDeliveries(ctx, tx, inserted)
      tx.afterCommit(() => ctx.messaging.publishEvent(events.eventsRecorded, accountIds))
    })
    return []
  }
}

/** Each enabled endpoint gets a delivery of each event that it follows, with the event itself. */
async function orderDeliveries(ctx: Context, tx: Tx, inserted: EventKey[]): Promise<void> {
  if (inserted.length === 0 || !(await lockEnabledEndpoints(tx))) return
  const due = await insertDeliveries(tx, inserted)
  const entries = due.map(({ endpointId, accountId }) => {
    return { lane: 'events.deliver', key: endpointId, accountId } as const
  })
  await feed(ctx, tx, ...entries)
}

function eventsOf({ id, accountId, asOfMs, body }: FeedEntry): NewEvent[] {
  const contents: EventContent[] = JSON.parse(body.toString())
  return contents.map((content, place) => ({
    ...content,
    topic: eventKinds[content.kind].topic,
    accountId,
    occurredAt: new Date(asOfMs),
    entryId: id,
    place,
  }))
}
