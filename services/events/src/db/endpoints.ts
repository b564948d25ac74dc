import type { EventTopic } from '@lockstep/contracts'
import { columnList, query, queryOne, rowset, selectList, sql, type Tx } from '@lockstep/database'

interface EndpointSettings {
  url: string
  description: string
  topics: EventTopic[]
}

export interface EndpointRow extends EndpointSettings {
  id: string
  accountId: string
  sealedSecret: Buffer
  sealedPrevious: Buffer | null
  previousUntil: Date | null
  enabled: boolean
  disabledReason: string
  failingSince: Date | null
  /** The last event before those that it gets. */
  followsAfter: string
  createdAt: Date
}

const columns = {
  ...({ id: 'uuid', accountId: 'uuid', url: 'text', description: 'text' } as const),
  ...({ topics: 'text[]', sealedSecret: 'bytea', sealedPrevious: 'bytea' } as const),
  ...({ previousUntil: 'timestamptz', enabled: 'boolean', disabledReason: 'text' } as const),
  ...({ failingSince: 'timestamptz', followsAfter: 'bigint', createdAt: 'timestamptz' } as const),
}
const all = selectList(columns, ['followsAfter'])

/** The account's endpoint; undefined also for another account's. */
export function findEndpoint(tx: Tx, id: string): Promise<EndpointRow | undefined> {
  return queryOne(
    tx,
    sql`select ${all} from webhook_endpoints where id = ${id} and account_id = ${tx.accountId}`,
  )
}

/**
 * The same, held until the commit: what becomes of its deliveries is decided by one transaction
 * after the other.
 */
export function lockEndpoint(tx: Tx, id: string): Promise<EndpointRow | undefined> {
  return queryOne(
    tx,
    sql`select ${all} from webhook_endpoints where id = ${id} and account_id = ${tx.accountId}
        for no key update`,
  )
}

/** Holds the enabled endpoints of the transaction's accounts; answers whether there are any. */
export async function lockEnabledEndpoints(tx: Tx): Promise<boolean> {
  const rows = await query(
    tx,
    sql`select id from webhook_endpoints where account_id = any(${tx.accountIds}::uuid[]) and enabled
        order by id for no key update`,
  )
  return rows.length > 0
}

/** All of the account, oldest first. */
export function listEndpointRows(tx: Tx): Promise<EndpointRow[]> {
  return query(
    tx,
    sql`select ${all} from webhook_endpoints where account_id = ${tx.accountId} order by id`,
  )
}

export async function insertEndpoint(tx: Tx, row: EndpointRow): Promise<void> {
  await sql`insert into webhook_endpoints (${columnList(columns)})
    select v.* from ${rowset([row], columns)}`.execute(tx.sql)
}

/** Writes all of a locked endpoint that may change. */
export async function writeEndpoint(tx: Tx, row: EndpointRow): Promise<void> {
  const { url, description, topics, sealedSecret, sealedPrevious, previousUntil } = row
  await sql`update webhook_endpoints set url = ${url}, description = ${description},
      topics = ${topics}::text[], sealed_secret = ${sealedSecret},
      sealed_previous = ${sealedPrevious}, previous_until = ${previousUntil},
      enabled = ${row.enabled}, disabled_reason = ${row.disabledReason},
      failing_since = ${row.failingSince}, follows_after = ${row.followsAfter}
    where id = ${row.id} and account_id = ${tx.accountId}`.execute(tx.sql)
}

/** With its deliveries; false when there is no such endpoint. */
export async function deleteEndpointRow(tx: Tx, id: string): Promise<boolean> {
  const deleted = await queryOne(
    tx,
    sql`delete from webhook_endpoints where id = ${id} and account_id = ${tx.accountId} returning id`,
  )
  if (!deleted) return false
  await sql`delete from webhook_deliveries where endpoint_id = ${id}
    and account_id = ${tx.accountId}`.execute(tx.sql)
  return true
}
