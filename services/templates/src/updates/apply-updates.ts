import type { Tx } from '@lockstep/database'
import type { TemplateEvent } from '@lockstep/whatsapp'
import { announceStatuses } from '../announce-statuses.ts'
import type { Context } from '../context.ts'
import { hasActiveRun, hasEndedRunSince } from '../db/sync-runs.ts'
import { lockTemplates } from '../db/templates.ts'
import { queueSync } from '../syncs/queue-sync.ts'
import type { Readers } from './readers.ts'
import { type OutdatedTemplate, syncOutdated } from './sync-outdated.ts'
import { applyEvent, isAboutComponents, isOutdated } from './template-update-rules.ts'

/** What one webhook part says, and the accounts that have the WABA by the app that signed it. */
export interface TemplateUpdate {
  entryId: string
  receivedAt: Date
  readers: Readers
  events: { event: TemplateEvent; at: Date }[]
}

/** Entries that named a template of the account, and entries that must come again. */
interface Applied {
  matched: string[]
  delayed: string[]
}

/** Applies the updates that concern an account, in their order, in one transaction. */
export async function applyUpdates(
  ctx: Context,
  accountId: string,
  wabaId: string,
  updates: TemplateUpdate[],
): Promise<Applied> {
  const ofAccount = updates.filter(({ readers }) => readers.has(accountId))
  const events = ofAccount.flatMap((update) => update.events)
  const metaIds = [...new Set(events.map(({ event }) => event.templateId))]
  return ctx.db.transaction(accountId, async (tx) => {
    // Asked before the rows are read: the pages of a later run are either among those rows, or
    // younger than these updates.
    const isBeingRead = await hasActiveRun(tx, wabaId)
    const templates = await lockTemplates(tx, wabaId, metaIds)
    const byMetaId = new Map(templates.map((template) => [template.metaId, template]))
    const matched: string[] = []
    const delayed: string[] = []
    const outdated: OutdatedTemplate[] = []
    const statuses = new Map(templates.map(({ id, status }) => [id, status]))
    for (const { entryId, receivedAt, readers, events } of ofAccount) {
      const connectionId = readers.get(accountId) ?? null
      for (const { event, at } of events) {
        const template = byMetaId.get(event.templateId)
        if (template) {
          applyEvent(template, event, at)
          matched.push(entryId)
          if (connectionId && isAboutComponents(event) && isOutdated(template, at))
            outdated.push({ entryId, template, at, connectionId })
        } else if (
          isBeingRead ||
          (await syncUnknown(ctx, tx, wabaId, { event, receivedAt, connectionId }))
        )
          delayed.push(entryId)
      }
    }
    await announceStatuses(
      ctx,
      tx,
      templates.filter(({ id, status }) => statuses.get(id) !== status),
    )
    const unread = await syncOutdated(ctx, tx, wabaId, outdated)
    return { matched, delayed: [...delayed, ...unread] }
  })
}

interface UnknownTemplate {
  event: TemplateEvent
  receivedAt: Date
  connectionId: string | null
}

/**
 * Queues a sync for a template without a row, which was made after the last list; false when a list
 * since then knows better.
 */
async function syncUnknown(
  ctx: Context,
  tx: Tx,
  wabaId: string,
  { event, receivedAt, connectionId }: UnknownTemplate,
): Promise<boolean> {
  if (!connectionId || event.status === 'DELETED') return false
  if (await hasEndedRunSince(tx, wabaId, receivedAt)) return false
  await queueSync(ctx, tx, { connectionId, wabaId })
  return true
}
