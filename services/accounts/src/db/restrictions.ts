import { query, rowset, sql, type Tx } from '@lockstep/database'

/**
 * A restriction of a number in a WABA, the newest of its type; `liftedAt` once Meta has taken it
 * back.
 */
export interface RestrictionRow {
  connectionId: string
  wabaId: string
  type: string
  violation: string
  remediation: string
  endsAt: Date | null
  liftedAt: Date | null
  /** Meta's time of the update that the row is from. */
  eventAt: Date
  /** When it became known here. */
  notedAt: Date
}

const columns = sql`connection_id as "connectionId", waba_id as "wabaId", type, violation, remediation, ends_at as "endsAt",
  lifted_at as "liftedAt", event_at as "eventAt", noted_at as "notedAt"`

/** Whose restrictions are asked for: those of the WABA that the number is in. */
export interface Restricted {
  id: string
  wabaId: string
}

const ofConnections = (tx: Tx, connections: Restricted[]) => sql`account_id = ${tx.accountId}
  and (connection_id, waba_id) in (select v.id, v.waba_id from ${rowset(connections, { id: 'uuid', wabaId: 'text' })})`

/**
 * All restrictions of connections whose rows are locked, the ended ones too: they say which updates
 * are old.
 */
export function allRestrictions(tx: Tx, connections: Restricted[]): Promise<RestrictionRow[]> {
  return query(tx, sql`select ${columns} from restrictions where ${ofConnections(tx, connections)}`)
}

/** The restrictions that are in force, by connection, in the order of their types. */
export async function activeRestrictions(
  tx: Tx,
  connections: Restricted[],
  now: Date,
): Promise<Map<string, RestrictionRow[]>> {
  const rows = await query<RestrictionRow>(
    tx,
    sql`select ${columns} from restrictions
        where ${ofConnections(tx, connections)} and lifted_at is null and (ends_at is null or ends_at > ${now}) order by connection_id, type`,
  )
  return Map.groupBy(rows, ({ connectionId }) => connectionId)
}

/** Writes restrictions of connections whose rows are locked. */
export async function writeRestrictions(tx: Tx, rows: RestrictionRow[]): Promise<void> {
  if (rows.length === 0) return
  const values = rowset(rows, {
    ...({ connectionId: 'uuid', wabaId: 'text', type: 'text', violation: 'text' } as const),
    ...({ remediation: 'text', endsAt: 'timestamptz', liftedAt: 'timestamptz' } as const),
    ...({ eventAt: 'timestamptz', notedAt: 'timestamptz' } as const),
  })
  await sql`insert into restrictions (account_id, connection_id, waba_id, type, violation, remediation, ends_at, lifted_at, event_at, noted_at)
    select ${tx.accountId}, v.connection_id, v.waba_id, v.type, v.violation, v.remediation, v.ends_at, v.lifted_at, v.event_at, v.noted_at
    from ${values}
    on conflict (connection_id, waba_id, type) do update set
      violation = excluded.violation, remediation = excluded.remediation, ends_at = excluded.ends_at,
      lifted_at = excluded.lifted_at, event_at = excluded.event_at, noted_at = excluded.noted_at`.execute(
    tx.sql,
  )
}
