import { AppError, type SecretPlace } from '@lockstep/contracts'
import { type Database, query, sql, type Tx } from '@lockstep/database'
import type { BaseContext } from './context.ts'
import { keyIdOf, type Secrets } from './secrets.ts'

/**
 * Every column of a service's tables that holds a sealed secret, and the place that it is bound to.
 * Its migration has `sealed_rows(sealed_table, after, most)`: ids and accounts of all tenants.
 */
export type SealedTables = Readonly<
  Record<string, Readonly<Record<string, (id: string, accountId: string) => SecretPlace>>>
>

interface Needs extends Pick<BaseContext, 'db' | 'log'> {
  secrets: Secrets
}

/** Where a run goes on: after this row. */
interface Cursor {
  table: string
  after: string
}

export interface ResealedPage {
  /** Where to go on, as `<table>:<id>`; empty after the last page. */
  next: string
  resealed: number
  /** Rows that no key opens, as `next` names them. */
  unreadable: string[]
  /** The key that seals. */
  keyId: number
}

interface SealedRow {
  id: string
  accountId: string
  /** By column. */
  sealed: Record<string, Buffer | null>
}

const rowsAtOnce = 200
const start = '00000000-0000-0000-0000-000000000000'
const cursorPattern = /^([a-z_]+):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

const cursorToText = ({ table, after }: Cursor): string => `${table}:${after}`

/**
 * Seals a page of rows again that aren't sealed with the newest key, each under its lock: what
 * replaces a secret meanwhile waits, and is sealed with that key itself. Begins at the first row, or
 * after the place that a page has answered; throws `invalid` for any other.
 */
export async function resealPage(
  ctx: Needs,
  sealedTables: SealedTables,
  place: string,
): Promise<ResealedPage> {
  const { table, after } = cursorFrom(sealedTables, place)
  const columns = sealedTables[table]!
  const page = await rowsAfter(ctx.db, table, after)
  const unreadable: string[] = []
  const ids = page.map(({ id }) => id)
  const reseal = async (tx: Tx) => {
    unreadable.length = 0
    const rows = await lockOthers(tx, table, Object.keys(columns), ids, ctx.secrets.keyId)
    for (const row of rows) {
      const resealed = resealRow(ctx, table, columns, row)
      if (resealed) await updateRow(tx, table, resealed)
      else unreadable.push(cursorToText({ table, after: row.id }))
    }
    return rows.length - unreadable.length
  }
  const accountIds = [...new Set(page.map(({ accountId }) => accountId))]
  const resealed = page.length === 0 ? 0 : await ctx.db.transaction(accountIds, reseal)
  const { keyId } = ctx.secrets
  if (resealed > 0)
    ctx.log.info({ after: place, resealed, keyId }, 'secrets were sealed with the newest key')
  const last = page.length === rowsAtOnce ? ids.at(-1) : undefined
  const next = nextOf(Object.keys(sealedTables), table, last)
  return { next: next ? cursorToText(next) : '', resealed, unreadable, keyId }
}

function cursorFrom(sealedTables: SealedTables, text: string): Cursor {
  const tables = Object.keys(sealedTables)
  const [, name, after = ''] = (text ? cursorPattern : /^()()$/).exec(text) ?? []
  const table = tables.find((each) => each === (name || tables[0]))
  if (name === undefined || !table)
    throw new AppError('invalid', `"${text.slice(0, 64)}" is no place to go on; begin without one`)
  return { table, after: after || start }
}

function nextOf(tables: string[], table: string, after: string | undefined): Cursor | null {
  if (after) return { table, after }
  const following = tables[tables.indexOf(table) + 1]
  return following ? { table: following, after: start } : null
}

/** The row with its secrets of other keys sealed again; null when one of them can't be opened. */
function resealRow(
  { secrets, log }: Needs,
  table: string,
  columns: SealedTables[string],
  row: SealedRow,
): SealedRow | null {
  try {
    const sealed = Object.entries(columns).flatMap(([column, placeOf]) => {
      const bytes = row.sealed[column]
      if (!bytes || keyIdOf(bytes) === secrets.keyId) return []
      const place = placeOf(row.id, row.accountId)
      return [[column, secrets.seal(secrets.open(bytes, place), place)] as const]
    })
    return { ...row, sealed: Object.fromEntries(sealed) }
  } catch (err) {
    log.error({ err, table, row: row.id }, 'A secret can not be opened, and is left as it is')
    return null
  }
}

/** The next rows of all tenants after one, in id order. */
function rowsAfter(
  db: Database,
  table: string,
  after: string,
): Promise<Pick<SealedRow, 'id' | 'accountId'>[]> {
  return db.statement(
    sql`select id, account_id as "accountId" from sealed_rows(${table}, ${after}, ${rowsAtOnce})`,
  )
}

/** Those of the rows that hold a secret of another key, locked in their order. */
async function lockOthers(
  tx: Tx,
  table: string,
  columns: string[],
  ids: string[],
  keyId: number,
): Promise<SealedRow[]> {
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
async function updateRow(tx: Tx, table: string, { id, sealed }: SealedRow): Promise<void> {
  const changes = Object.entries(sealed).map(
    ([column, bytes]) => sql`${sql.ref(column)} = ${bytes}`,
  )
  await sql`update ${sql.table(table)} set ${sql.join(changes)} where id = ${id}`.execute(tx.sql)
}
