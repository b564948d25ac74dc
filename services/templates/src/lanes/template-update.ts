import type { FeedEntry } from '@lockstep/feeds'
import { connectionsAt, type EntryResult, type LaneHandler } from '@lockstep/service'
import { metaTimeMs, parseWebhook, templateEvents } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { applyUpdates, type TemplateUpdate } from '../updates/apply-updates.ts'
import { readersOf } from '../updates/readers.ts'
import { isRelevant } from '../updates/template-update-rules.ts'

/**
 * Applies what Meta says about templates, for every account that has the WABA by the app that
 * signed.
 */
export const templateUpdate: LaneHandler<Context> = async (ctx, wabaId, entries) => {
  const connectionsOf = await connectionsAt(entries, 'wabaId', async (request) => {
    const { intervals } = await ctx.peers.accounts.resolveConnections(request, {})
    return intervals
  })
  const results: EntryResult[] = []
  const updates: TemplateUpdate[] = []
  for (const entry of entries) {
    const connections = connectionsOf(entry)
    if (typeof connections === 'string') results.push({ id: entry.id, outcome: connections })
    else
      updates.push({
        entryId: entry.id,
        receivedAt: new Date(entry.asOfMs),
        readers: await readersOf(ctx, connections),
        events: eventsOf(entry, wabaId),
      })
  }
  const { matched, delayed } = await applyToAccounts(ctx, wabaId, updates)
  for (const { entryId: id, events } of updates) {
    const withoutMatch = events.length > 0 ? 'no_match' : 'no_action'
    if (delayed.has(id)) results.push({ id, laterMs: ctx.times.syncUnderWayMs })
    else results.push({ id, outcome: matched.has(id) ? 'done' : withoutMatch })
  }
  return results
}

function eventsOf({ body, asOfMs }: FeedEntry, wabaId: string): TemplateUpdate['events'] {
  return templateEvents(parseWebhook(body))
    .filter((event) => event.wabaId === wabaId && isRelevant(event))
    .map((event) => ({ event, at: new Date(metaTimeMs(event.timestampMs, asOfMs)) }))
}

/** One account after the other, each in a transaction of its own. */
async function applyToAccounts(ctx: Context, wabaId: string, updates: TemplateUpdate[]) {
  const accountIds = new Set(updates.flatMap(({ readers }) => [...readers.keys()]))
  const matched = new Set<string>()
  const delayed = new Set<string>()
  for (const accountId of [...accountIds].sort()) {
    const applied = await applyUpdates(ctx, accountId, wabaId, updates)
    for (const id of applied.matched) matched.add(id)
    for (const id of applied.delayed) delayed.add(id)
  }
  return { matched, delayed }
}
