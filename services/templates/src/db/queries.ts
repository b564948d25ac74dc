import { type Database, query, queryOne, sql, type Tx } from '@lockstep/database'
import type { GraphTemplate } from '@lockstep/whatsapp'
import { LockMode } from '@mikro-orm/core'
import { type SyncRun, SyncRunSchema, type Template, TemplateSchema } from './entities.ts'

/** The connection's run that is queued or running, if any. */
export function findActiveRun(tx: Tx, connectionId: string): Promise<SyncRun | null> {
  return tx.em.findOne(SyncRunSchema, {
    accountId: tx.accountId!,
    connectionId,
    state: ['queued', 'running'],
  })
}

/** True while a connection of the account has a run of the WABA that is queued or running. */
export async function isBeingRead(tx: Tx, wabaId: string): Promise<boolean> {
  const run = await queryOne(
    tx,
    sql`select id from sync_runs
        where account_id = ${tx.accountId} and waba_id = ${wabaId} and state in ('queued', 'running') limit 1`,
  )
  return run !== undefined
}

/** True when a run of the WABA that has ended, well or not, had begun since a time. */
export async function wasReadSince(tx: Tx, wabaId: string, since: Date): Promise<boolean> {
  const run = await queryOne(
    tx,
    sql`select id from sync_runs
        where account_id = ${tx.accountId} and waba_id = ${wabaId} and state in ('done', 'failed') and started_at >= ${since} limit 1`,
  )
  return run !== undefined
}

/** Queues a run; false while the connection has one that is queued or running. */
export async function insertRun(
  tx: Tx,
  run: { id: string; connectionId: string; wabaId: string; now: Date },
): Promise<boolean> {
  const { id, connectionId, wabaId, now } = run
  const inserted = await queryOne(
    tx,
    sql`insert into sync_runs (id, account_id, connection_id, waba_id, state, created_at, started_at)
        values (${id}, ${tx.accountId}, ${connectionId}, ${wabaId}, 'queued', ${now}, ${now})
        on conflict (connection_id) where state in ('queued', 'running') do nothing returning id`,
  )
  return inserted !== undefined
}

/** Begins a run, or begins it again after it was cut off; undefined when it has ended. */
export function beginRun(
  tx: Tx,
  id: string,
): Promise<{ createdAt: Date; wabaId: string } | undefined> {
  return queryOne(
    tx,
    sql`update sync_runs set state = 'running', started_at = now(), seen = 0
        where account_id = ${tx.accountId} and id = ${id} and state in ('queued', 'running') returning created_at as "createdAt", waba_id as "wabaId"`,
  )
}

/** Ends a run; `failure` says in words why it could not be done. */
export async function endRun(
  tx: Tx,
  id: string,
  end: { removed: number } | { failure: string },
): Promise<void> {
  const { state, removed, failure } =
    'failure' in end
      ? { state: 'failed', removed: 0, ...end }
      : { state: 'done', failure: '', ...end }
  await sql`update sync_runs set state = ${state}, removed = ${removed}, failure = ${failure}, finished_at = now()
    where account_id = ${tx.accountId} and id = ${id}`.execute(tx.sql)
}

/** Takes away runs of any account that ended before a time, `most` at once and the oldest first; answers how many. */
export async function forgetRunPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_sync_runs(${before}, ${most}) as rows`,
  )
  return row!.rows
}

/** The account's templates with these ids of Meta, locked in the order of their own ids. */
export function lockTemplates(tx: Tx, wabaId: string, metaIds: string[]): Promise<Template[]> {
  const where = { accountId: tx.accountId!, wabaId, metaId: metaIds }
  return tx.em.find(TemplateSchema, where, {
    orderBy: { id: 'asc' },
    lockMode: LockMode.PESSIMISTIC_WRITE,
  })
}

export interface Page {
  runId: string
  wabaId: string
  /** Each name and language once, with the id of the row in case it is new. */
  templates: (Omit<GraphTemplate, 'id'> & { id: string; metaId: string })[]
  /** When it was asked for. */
  askedAt: Date
  /** News that Meta dates from here on is kept. */
  keptFrom: Date
}

/** Writes one page of a list. Rows that another connection's run has read from a later list stay as they are. */
export async function writePage(
  tx: Tx,
  { runId, wabaId, templates, askedAt, keptFrom }: Page,
): Promise<void> {
  const rows = JSON.stringify(templates)
  await sql`select t.id from templates t
    join jsonb_to_recordset(${rows}::jsonb) v(name text, language text) on t.name = v.name and t.language = v.language
    where t.account_id = ${tx.accountId} and t.waba_id = ${wabaId} order by t.id for update of t`.execute(
    tx.sql,
  )
  const same = sql`t.meta_id = excluded.meta_id`
  const kept = (column: string, eventAt: string) =>
    sql`case when ${same} and t.${sql.ref(eventAt)} >= ${keptFrom}::timestamptz
             then t.${sql.ref(column)} else excluded.${sql.ref(column)} end`
  const announced = sql`${same} and t.next_category <> ${kept('category', 'category_event_at')}`
  await sql`insert into templates as t (id, account_id, waba_id, meta_id, name, language, category, status, components,
      parameter_format, quality, rejected_reason, last_seen_at, synced_at)
    select v.id, ${tx.accountId}, ${wabaId}, v."metaId", v.name, v.language, v.category, v.status, v.components,
      v."parameterFormat", v.quality, v."rejectedReason", now(), ${askedAt}
    from jsonb_to_recordset(${rows}::jsonb) v(id uuid, "metaId" text, name text, language text, category text, status text,
      components jsonb, "parameterFormat" text, quality text, "rejectedReason" text)
    order by v.name, v.language
    on conflict (account_id, waba_id, name, language) do update set
      meta_id = excluded.meta_id, components = excluded.components, parameter_format = excluded.parameter_format,
      status_reason = case when ${same} and t.status = ${kept('status', 'status_event_at')} then t.status_reason else '' end,
      next_category = case when ${announced} then t.next_category else '' end,
      next_category_at = case when ${announced} then t.next_category_at end,
      announcement_event_at = case when ${same} then t.announcement_event_at end,
      components_event_at = case when ${same} then t.components_event_at end,
      status = ${kept('status', 'status_event_at')}, rejected_reason = ${kept('rejected_reason', 'status_event_at')},
      quality = ${kept('quality', 'quality_event_at')}, category = ${kept('category', 'category_event_at')},
      status_event_at = ${kept('status_event_at', 'status_event_at')},
      quality_event_at = ${kept('quality_event_at', 'quality_event_at')},
      category_event_at = ${kept('category_event_at', 'category_event_at')},
      last_seen_at = excluded.last_seen_at, synced_at = excluded.synced_at
    where t.synced_at <= excluded.synced_at`.execute(tx.sql)
  // Seen also in a list that is too old to write what it says.
  await sql`update templates t set last_seen_at = now()
    from jsonb_to_recordset(${rows}::jsonb) v(name text, language text)
    where t.account_id = ${tx.accountId} and t.waba_id = ${wabaId} and t.name = v.name and t.language = v.language and t.last_seen_at < now()`.execute(
    tx.sql,
  )
  await sql`update sync_runs set seen = seen + ${templates.length} where account_id = ${tx.accountId} and id = ${runId}`.execute(
    tx.sql,
  )
}

/** Marks the WABA's templates that the run did not see as deleted, until a later list has them; answers how many they are. */
export async function markRemoved(tx: Tx, runId: string, wabaId: string): Promise<number> {
  const removed = await query(
    tx,
    sql`with gone as (select t.id, r.started_at from templates t join sync_runs r on r.id = ${runId}
                      where t.account_id = ${tx.accountId} and t.waba_id = ${wabaId} and t.status <> 'DELETED'
                        and t.last_seen_at < r.started_at
                      order by t.id for update of t)
        update templates t set status = 'DELETED', status_event_at = null, synced_at = gone.started_at
        from gone where t.id = gone.id returning t.id`,
  )
  return removed.length
}
