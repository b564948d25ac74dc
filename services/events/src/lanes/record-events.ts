import { type EventContent, eventKinds, events, type LaneOf } from '@lockstep/contracts'
import type { FeedEntry, SetHandler } from '@lockstep/feeds'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import { insertEvents, lockPositions, type NewEvent } from '../db/events.ts'
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
      const count = await insertEvents(tx, source, rows)
      recorded(count, { lane: source })
      tx.afterCommit(() => ctx.messaging.publishEvent(events.eventsRecorded, accountIds))
    })
    return []
  }
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
