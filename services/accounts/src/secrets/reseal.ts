import { AppError } from '@lockstep/contracts'
import { keyIdOf, type Secrets } from '@lockstep/service'
import type { Context } from '../context.ts'
import {
  lockSealed,
  type SealedRow,
  type SealedTable,
  sealedPage,
  sealedTables,
  updateSealed,
} from '../db/sealed.ts'

/** Where a run goes on: after this row. */
export interface Cursor {
  table: SealedTable
  after: string
}

const tables = Object.keys(sealedTables) as SealedTable[]
const start = '00000000-0000-0000-0000-000000000000'
const cursorPattern = /^([a-z]+):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

export const cursorToText = ({ table, after }: Cursor): string => `${table}:${after}`

/** Throws `invalid` for what no run has answered. */
export function cursorFrom(text: string): Cursor {
  const [, name, after = ''] = (text ? cursorPattern : /^()()$/).exec(text) ?? []
  const table = tables.find((each) => each === (name || tables[0]))
  if (name === undefined || !table)
    throw new AppError('invalid', `"${text.slice(0, 64)}" is no place to go on; begin without one`)
  return { table, after: after || start }
}

export interface ResealedPage {
  next: Cursor | null
  resealed: number
  /** As `cursorToText` names rows. */
  unreadable: string[]
}

/**
 * Seals a page of rows again, each under its lock: what replaces a secret meanwhile waits, and is
 * sealed with the newest key itself.
 */
export async function resealPage(
  ctx: Context,
  { table, after }: Cursor,
  most: number,
): Promise<ResealedPage> {
  const page = await sealedPage(ctx.db, table, after, most)
  if (page.length === 0) return { next: nextOf(table, undefined), resealed: 0, unreadable: [] }
  const unreadable: string[] = []
  const accountIds = [...new Set(page.map(({ accountId }) => accountId))]
  const ids = page.map(({ id }) => id)
  const resealed = await ctx.db.transaction(accountIds, async (tx) => {
    unreadable.length = 0
    const rows = await lockSealed(tx, table, ids, ctx.secrets.keyId)
    for (const row of rows) {
      const sealedRow = resealRow(ctx, table, row)
      if (sealedRow) await updateSealed(tx, table, sealedRow)
      else unreadable.push(cursorToText({ table, after: row.id }))
    }
    return rows.length - unreadable.length
  })
  return {
    next: nextOf(table, page.length === most ? ids.at(-1) : undefined),
    resealed,
    unreadable,
  }
}

function nextOf(table: SealedTable, after: string | undefined): Cursor | null {
  if (after) return { table, after }
  const following = tables[tables.indexOf(table) + 1]
  return following ? { table: following, after: start } : null
}

/** The row with its secrets of other keys sealed again; null when one of them can't be opened. */
function resealRow(
  { secrets, log }: { secrets: Secrets } & Pick<Context, 'log'>,
  table: SealedTable,
  row: SealedRow,
): SealedRow | null {
  const places = Object.entries(sealedTables[table])
  try {
    const sealed = places.flatMap(([column, placeOf]) => {
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
