import { query, rowset, sql, type Tx } from '@lockstep/database'
import type { GraphTemplate } from '@lockstep/whatsapp'
import { LockMode } from '@mikro-orm/core'
import { type Template, TemplateSchema } from './entities.ts'

/** The account's templates with these ids of Meta, locked in the order of their own ids. */
export function lockTemplates(tx: Tx, wabaId: string, metaIds: string[]): Promise<Template[]> {
  const where = { accountId: tx.accountId!, wabaId, metaId: metaIds }
  return tx.em.find(TemplateSchema, where, {
    orderBy: { id: 'asc' },
    lockMode: LockMode.PESSIMISTIC_WRITE,
  })
}

/** A template with its status. */
export type TemplateStatus = Pick<Template, 'id' | 'wabaId' | 'name' | 'language' | 'status'>
const statusColumns = sql`t.id, t.waba_id as "wabaId", t.name, t.language, t.status`

/** One page of a list. */
export interface TemplatePage {
  runId: string
  wabaId: string
  /** Each name and language once, with the id of the row in case it is new. */
  templates: (Omit<GraphTemplate, 'id'> & { id: string; metaId: string })[]
  /** When it was asked for. */
  askedAt: Date
  /** What an update of Meta's time from here on said stays. */
  updatesSince: Date
}

/**
 * Writes one page of a list; answers the templates that are new or have another status. Rows that
 * another connection's run has read from a later list stay as they are.
 */
export async function writePage(tx: Tx, page: TemplatePage): Promise<TemplateStatus[]> {
  const { runId, wabaId, templates } = page
  const inPage = sql`t.account_id = ${tx.accountId} and t.waba_id = ${wabaId} and t.name = v.name and t.language = v.language`
  const named = rowset(templates, { name: 'text', language: 'text' })
  const before = await query<{ id: string; status: string }>(
    tx,
    sql`select t.id, t.status from templates t join ${named} on ${inPage} order by t.id
        for update of t`,
  )
  const statuses = new Map(before.map(({ id, status }) => [id, status]))
  const written = await upsertTemplates(tx, page)
  // Seen also in a list that is too old to write what it says.
  await sql`update templates t set last_seen_at = now() from ${named}
    where ${inPage} and t.last_seen_at < now()`.execute(tx.sql)
  await sql`update sync_runs set seen = seen + ${templates.length}
    where account_id = ${tx.accountId} and id = ${runId}`.execute(tx.sql)
  return written.filter(({ id, status }) => statuses.get(id) !== status)
}

async function upsertTemplates(
  tx: Tx,
  { wabaId, templates, askedAt, updatesSince }: TemplatePage,
): Promise<TemplateStatus[]> {
  const same = sql`t.meta_id = excluded.meta_id`
  const updatedOr = (column: string, eventAt: string) =>
    sql`case when ${same} and t.${sql.ref(eventAt)} >= ${updatesSince}::timestamptz
             then t.${sql.ref(column)} else excluded.${sql.ref(column)} end`
  const status = updatedOr('status', 'status_event_at')
  const category = updatedOr('category', 'category_event_at')
  const announced = sql`${same} and t.next_category <> ${category}`
  const rows = rowset(templates, {
    ...({ id: 'uuid', metaId: 'text', name: 'text', language: 'text' } as const),
    ...({ category: 'text', status: 'text', components: 'jsonb' } as const),
    ...({ parameterFormat: 'text', quality: 'text', rejectedReason: 'text' } as const),
  })
  return query(
    tx,
    sql`insert into templates as t (id, account_id, waba_id, meta_id, name, language, category, status, components,
      parameter_format, quality, rejected_reason, last_seen_at, synced_at)
    select v.id, ${tx.accountId}, ${wabaId}, v.meta_id, v.name, v.language, v.category, v.status, v.components,
      v.parameter_format, v.quality, v.rejected_reason, now(), ${askedAt}
    from ${rows} order by v.name, v.language
    on conflict (account_id, waba_id, name, language) do update set
      meta_id = excluded.meta_id, components = excluded.components, parameter_format = excluded.parameter_format,
      status_reason = case when ${same} and t.status = ${status} then t.status_reason else '' end,
      next_category = case when ${announced} then t.next_category else '' end,
      next_category_at = case when ${announced} then t.next_category_at end,
      announcement_event_at = case when ${same} then t.announcement_event_at end,
      components_event_at = case when ${same} then t.components_event_at end,
      status = ${status}, rejected_reason = ${updatedOr('rejected_reason', 'status_event_at')},
      quality = ${updatedOr('quality', 'quality_event_at')}, category = ${category},
      status_event_at = ${updatedOr('status_event_at', 'status_event_at')},
      quality_event_at = ${updatedOr('quality_event_at', 'quality_event_at')},
      category_event_at = ${updatedOr('category_event_at', 'category_event_at')},
      last_seen_at = excluded.last_seen_at, synced_at = excluded.synced_at
    where t.synced_at <= excluded.synced_at returning ${statusColumns}`,
  )
}

/**
 * Marks the WABA's templates that the run did not see as deleted, until a later list has them;
 * answers them.
 */
export function markRemoved(tx: Tx, runId: string, wabaId: string): Promise<TemplateStatus[]> {
  return query(
    tx,
    sql`with gone as (select t.id, r.started_at from templates t join sync_runs r on r.id = ${runId}
                      where t.account_id = ${tx.accountId} and t.waba_id = ${wabaId} and t.status <> 'DELETED'
                        and t.last_seen_at < r.started_at
                      order by t.id for update of t)
        update templates t set status = 'DELETED', status_event_at = null, synced_at = gone.started_at
        from gone where t.id = gone.id returning ${statusColumns}`,
  )
}
