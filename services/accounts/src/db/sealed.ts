import { secretPlaces } from '@lockstep/contracts'
import { type Database, query, sql, type Tx } from '@lockstep/database'

/** Every column that holds a sealed secret, and the place that it is bound to. */
export const sealedTables = {
  apps: {
    sealed_secret: secretPlaces.appSecret,
    sealed_previous_secret: secretPlaces.appSecret,
    sealed_verify_token: secretPlaces.appVerifyToken,
  },
  connections: { sealed_token: secretPlaces.connection },
} as const

export type SealedTable = keyof typeof sealedTables

export interface SealedRow {
  id: string
  accountId: string
  /** By column. */
  sealed: Record<string, Buffer | null>
}

/** The next rows of all tenants after one, in id order. */
export function sealedPage(
  db: Database,
  table: SealedTable,
  after: string,
  most: number,
): Promise<Pick<SealedRow, 'id' | 'accountId'>[]> {
  return db.statement(
    sql`select id, account_id as "accountId" from sealed_rows(${table}, ${after}, ${most})`,
  )
}

/** Those of the rows that hold a secret of another key, locked in their order. */
export async function lockSealed(
  tx: Tx,
  table: SealedTable,
  ids: string[],
  keyId: number,
): Promise<SealedRow[]> {
  const columns = Object.keys(sealedTables[table])
  const others = columns.map(
    (column) => sql`substring(${sql.ref(column)} from 1 for 1) <> ${Buffer.from([keyId])}`,
  )
  const rows = await query<{ id: string; accountId: string } & Record<string, Buffer | null>>(
    tx,
    sql`select id, account_id as "accountId", ${sql.join(columns.map((column) => sql.ref(column)))} from ${sql.table(table)}
        where id = any(${ids}::uuid[]) and (${sql.join(others, sql` or `)}) order by id for update`,
  )
  return rows.map(({ id, accountId, ...sealed }) => ({
    id,
    accountId,
    sealed: sealed as SealedRow['sealed'],
  }))
}

/** Writes what was sealed again, by column. */
export async function updateSealed(
  tx: Tx,
  table: SealedTable,
  { id, sealed }: SealedRow,
): Promise<void> {
  const changes = Object.entries(sealed).map(
    ([column, bytes]) => sql`${sql.ref(column)} = ${bytes}`,
  )
  await sql`update ${sql.table(table)} set ${sql.join(changes)} where id = ${id}`.execute(tx.sql)
}
