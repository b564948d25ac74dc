import { query, sql, type Tx } from '@lockstep/database'
import type { ConnectionInterval, ResolveConnectionsRequest } from '@lockstep/rpc/gen/accounts'
import type { Connection } from './entities.ts'

/**
 * Begins an interval of a connection whose row is written; a unique violation while another account
 * has the number.
 */
export async function openInterval(tx: Tx, connection: Connection): Promise<void> {
  const { id, phoneNumberId, appId, wabaId, connectedAt } = connection
  await sql`insert into connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at)
    values (${id}, ${tx.accountId}, ${phoneNumberId}, ${appId}, ${wabaId}, ${connectedAt})`.execute(
    tx.sql,
  )
}

/** Ends a number's open interval. */
export async function closeInterval(tx: Tx, phoneNumberId: string, at: Date): Promise<void> {
  await sql`update connection_intervals set disconnected_at = ${at}
    where account_id = ${tx.accountId} and phone_number_id = ${phoneNumberId} and disconnected_at is null`.execute(
    tx.sql,
  )
}

/**
 * When numbers and WABAs belonged to connections, of every tenant: the intervals that overlap the
 * time asked for.
 */
export async function intervalsOverlapping(
  tx: Tx,
  { phoneNumberIds, wabaIds, fromMs, untilMs }: ResolveConnectionsRequest,
): Promise<ConnectionInterval[]> {
  const rows = await query<
    Omit<ConnectionInterval, 'disconnectedAtMs'> & { disconnectedAtMs: number | null }
  >(
    tx,
    sql`select connection_id as id, account_id as "accountId", phone_number_id as "phoneNumberId", waba_id as "wabaId", app_id as "appId",
               floor(extract(epoch from connected_at) * 1000)::float8 as "connectedAtMs",
               floor(extract(epoch from disconnected_at) * 1000)::float8 as "disconnectedAtMs"
        from connections_between(${phoneNumberIds}, ${wabaIds}, ${new Date(fromMs)}, ${new Date(untilMs)})`,
  )
  return rows.map((row) => ({ ...row, disconnectedAtMs: row.disconnectedAtMs ?? undefined }))
}
