import { type Database, query, rowset, sql, type Tx } from '@lockstep/database'

/** Something that Meta said about an account's WABA, its numbers or its business. */
export interface AccountEventRow {
  id: string
  wabaId: string
  field: string
  event: string
  summary: string
  value: unknown
  occurredAt: Date | null
  receivedAt: Date
}

/** Stores events, each once by its value and Meta's time, or without a time once a day. */
export async function insertEvents(tx: Tx, events: Omit<AccountEventRow, 'id'>[]): Promise<void> {
  if (events.length === 0) return
  const rows = rowset(events, {
    ...({ wabaId: 'text', field: 'text', event: 'text', summary: 'text', value: 'jsonb' } as const),
    ...({ occurredAt: 'timestamptz', receivedAt: 'timestamptz' } as const),
  })
  const dated = sql`v.value::text || case when v.occurred_at is null then (v.received_at at time zone 'UTC')::date::text else '' end`
  await sql`insert into account_events (account_id, waba_id, field, event, summary, value, value_hash, occurred_at, received_at)
    select ${tx.accountId}, e.waba_id, e.field, e.event, e.summary, e.value, e.hash, e.occurred_at, e.received_at
    from (select v.*, sha256(convert_to(${dated}, 'UTF8')) as hash from ${rows}) e
    order by e.waba_id, e.field, e.hash, e.occurred_at
    on conflict do nothing`.execute(tx.sql)
}

/**
 * The account's events, newest received first; of one WABA, of one field, and before an id where
 * they are named.
 */
export function listEvents(
  tx: Tx,
  {
    wabaId,
    field,
    beforeId,
    limit,
  }: { wabaId: string; field: string; beforeId: string; limit: number },
): Promise<AccountEventRow[]> {
  return query(
    tx,
    sql`select id::text, waba_id as "wabaId", field, event, summary, value, occurred_at as "occurredAt", received_at as "receivedAt"
        from account_events
        where account_id = ${tx.accountId} ${wabaId ? sql`and waba_id = ${wabaId}` : sql``} ${field ? sql`and field = ${field}` : sql``}
          ${beforeId ? sql`and id < ${beforeId}::bigint` : sql``}
        order by account_events.id desc limit ${limit}`,
  )
}

/**
 * Takes away events of any account that were received before a time, of the `most` that were stored
 * first; answers how many.
 */
export async function forgetEventPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_account_events(${before}, ${most}) as rows`,
  )
  return row!.rows
}
