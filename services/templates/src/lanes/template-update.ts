import type { FeedEntry } from '@lockstep/database'
import type { EntryVerdict, LaneHandler } from '@lockstep/service'
import { parseWebhook, type TemplateEvent, templateEvents } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { lockTemplates } from '../db/queries.ts'
import { applyEvent, isOfUse } from '../template.ts'

/** News of one part, and the accounts that have the WABA by the app that signed it. */
interface News {
  entryId: string
  accountIds: string[]
  events: { event: TemplateEvent; at: Date }[]
}

/** Applies what Meta says about templates, for every account that has the WABA by the app that signed. */
export const templateUpdate: LaneHandler<Context> = async (ctx, wabaId, entries) => {
  const accountIdsOf = ownersAt(ctx, wabaId)
  const verdicts: EntryVerdict[] = []
  const news: News[] = []
  for (const entry of entries) {
    const owners = await accountIdsOf(entry)
    if ('outcome' in owners) verdicts.push({ id: entry.id, outcome: owners.outcome })
    else news.push({ entryId: entry.id, accountIds: owners.accountIds, events: eventsOf(entry, wabaId) })
  }
  const matched = new Set<string>()
  for (const accountId of [...new Set(news.flatMap((n) => n.accountIds))].sort())
    for (const id of await apply(ctx, accountId, wabaId, news)) matched.add(id)
  for (const { entryId, events } of news)
    verdicts.push({ id: entryId, outcome: matched.has(entryId) ? 'done' : events.length > 0 ? 'unmatched' : 'kept' })
  return verdicts
}

type Owners = { accountIds: string[] } | { outcome: 'unclaimed' | 'foreign' }

/** Who had the WABA, by a part's app, when it was received; asks once for all parts of the same moment. */
function ownersAt(ctx: Context, wabaId: string): (entry: FeedEntry) => Promise<Owners> {
  const known = new Map<number, ReturnType<Context['accounts']['resolveConnections']>>()
  return async ({ createdAtMs, appId }) => {
    if (!known.has(createdAtMs))
      known.set(createdAtMs, ctx.accounts.resolveConnections({ phoneNumberId: '', wabaId, atMs: createdAtMs }, {}))
    const { connections } = await known.get(createdAtMs)!
    if (connections.length === 0) return { outcome: 'unclaimed' }
    const bound = connections.filter((connection) => connection.appId === appId)
    return bound.length === 0 ? { outcome: 'foreign' } : { accountIds: [...new Set(bound.map((c) => c.accountId))] }
  }
}

function eventsOf({ body, createdAtMs }: FeedEntry, wabaId: string): News['events'] {
  return templateEvents(parseWebhook(body))
    .filter((event) => event.wabaId === wabaId && isOfUse(event))
    .map((event) => ({ event, at: new Date(event.timestampMs ?? createdAtMs) }))
}

/** Applies the parts that concern an account, in their order; answers those that named a template it has. */
async function apply(ctx: Context, accountId: string, wabaId: string, news: News[]): Promise<string[]> {
  const mine = news.filter((n) => n.accountIds.includes(accountId))
  const metaIds = [...new Set(mine.flatMap((n) => n.events.map(({ event }) => event.templateId)))]
  return ctx.db.transaction(accountId, async (tx) => {
    const templates = await lockTemplates(tx, wabaId, metaIds)
    const byMetaId = new Map(templates.map((template) => [template.metaId, template]))
    const matched: string[] = []
    for (const { entryId, events } of mine)
      for (const { event, at } of events) {
        const template = byMetaId.get(event.templateId)
        if (!template) continue
        applyEvent(template, event, at)
        matched.push(entryId)
      }
    return matched
  })
}
