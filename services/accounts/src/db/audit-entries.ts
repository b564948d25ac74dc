import { type Database, query, queryOne, sql, type Tx } from '@lockstep/database'

export interface AuditEntryRow {
  id: string
  at: Date
  /** The request's name in docs/openapi.json, and those of refused tries (audit/sign-ins.ts). */
  action: string
  actorKind: 'person' | 'program' | 'operator' | 'nobody'
  actorId: string
  /** E-mail or name of the key, as it was. */
  actorName: string
  address: string
  requestId: string
  /** The noun of the path, such as members. */
  targetKind: string
  targetId: string
  before: unknown
  after: unknown
  /** done, unknown, or the failure. */
  outcome: string
}

const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value))

/** Adds an entry, with the actor's name as it is now; answers its id. */
export async function insertAuditEntry(
  tx: Tx,
  row: Omit<AuditEntryRow, 'id' | 'actorName'>,
): Promise<string> {
  const { at, action, actorKind, actorId, address, requestId, targetKind, targetId } = row
  const name =
    actorKind === 'person'
      ? sql`(select email from people where id = ${actorId})`
      : actorKind === 'program'
        ? sql`(select name from api_keys where account_id = ${tx.accountId} and id = ${actorId})`
        : sql`null`
  const inserted = await queryOne<{ id: string }>(
    tx,
    sql`insert into audit_entries (account_id, at, action, actor_kind, actor_id, actor_name, address, request_id, target_kind, target_id, before, after, outcome)
        values (${tx.accountId}, ${at}, ${action}, ${actorKind}, ${actorId}, coalesce(${name}, ''), ${address}, ${requestId},
                ${targetKind}, ${targetId}, ${json(row.before)}::jsonb, ${json(row.after)}::jsonb, ${row.outcome})
        returning id::text`,
  )
  return inserted!.id
}

/** Says what became of an entry whose outcome is unknown; another is left as it is. */
export async function finishAuditEntry(
  tx: Tx,
  { id, outcome, targetId }: { id: string; outcome: string; targetId: string },
): Promise<void> {
  await sql`update audit_entries set outcome = ${outcome}, target_id = case when ${targetId} = '' then target_id else ${targetId} end
    where account_id = ${tx.accountId} and id = ${id} and outcome = 'unknown'`.execute(tx.sql)
}

export interface AuditQuery {
  action: string
  actorId: string
  targetId: string
  from: Date | null
  until: Date | null
  beforeId: string
  limit: number
}

/** The account's entries, newest first, of what is named. */
export function auditPage(tx: Tx, asked: AuditQuery): Promise<AuditEntryRow[]> {
  const { action, actorId, targetId, from, until, beforeId, limit } = asked
  return query(
    tx,
    sql`select id::text, at, action, actor_kind as "actorKind", actor_id as "actorId", actor_name as "actorName", address,
          request_id as "requestId", target_kind as "targetKind", target_id as "targetId", before, after, outcome
        from audit_entries
        where account_id = ${tx.accountId}
          ${action ? sql`and action = ${action}` : sql``} ${actorId ? sql`and actor_id = ${actorId}` : sql``}
          ${targetId ? sql`and target_id = ${targetId}` : sql``}
          ${from ? sql`and at >= ${from}` : sql``} ${until ? sql`and at < ${until}` : sql``}
          ${beforeId ? sql`and id < ${beforeId}::bigint` : sql``}
        order by audit_entries.id desc limit ${limit}`,
  )
}

/** Takes entries of any account away that are older than a time, of the `most` first ones; answers how many. */
export async function forgetAuditPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_audit_entries(${before}, ${most}) as rows`,
  )
  return row!.rows
}
