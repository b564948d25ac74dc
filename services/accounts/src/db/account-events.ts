import { type Database, query, sql, type Tx } from '@lockstep/database'

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
  await sql`insert into account_events (account_id, waba_id, field, event, summary, value, value_hash, occurred_at, received_at)
    select ${tx.accountId}, v."wabaId", v.field, v.event, v.summary, v.value, v.hash, v."occurredAt", v."receivedAt"
    from (select *, sha256(convert_to(value::text || case when "occurredAt" is null
                                                              then ("receivedAt" at time zone 'UTC')::date::text else '' end, 'UTF8')) as hash
          from jsonb_to_recordset(${JSON.stringify(events)}::jsonb) r("wabaId" text, field text, event text, summary text, value jsonb,
            "occurredAt" timestamptz, "receivedAt" timestamptz)) v
    order by v."wabaId", v.field, v.hash, v."occurredAt"
    on conflict do nothing`.execute(tx.sql)
}

/** The account's events, newest received first; of one WABA, of one field, and before an id where they are named. */
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

/** Takes away events of any account that were received before a time, of the `most` that were stored first; answers how many. */
export async function forgetEventPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_account_events(${before}, ${most}) as rows`,
  )
  return row!.rows
}
