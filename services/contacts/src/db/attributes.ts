import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { Attribute } from '../attributes/attribute.ts'

export interface AttributeRow extends Attribute {
  createdAt: Date
  /** Not all contacts that were there before it can be found by it yet. */
  isIndexing: boolean
}

const columns = sql`d.id, d.account_id as "accountId", d.name, d.label, d.type, d.choices,
  d.created_at as "createdAt", d.indexed_after is not null as "isIndexing"`
const live = sql`d.dropped_at is null`

/** The attributes with a type of the transaction's accounts, by name. */
export function listAttributes(tx: Tx): Promise<AttributeRow[]> {
  return query(
    tx,
    sql`select ${columns} from attribute_definitions d
        where d.account_id = any(${tx.accountIds}::uuid[]) and ${live}
        order by d.account_id, d.name`,
  )
}

/** The account's attributes by name, which stay as they are until the commit. */
export async function holdAttributes(tx: Tx): Promise<Map<string, Attribute>> {
  const rows = await query<AttributeRow>(
    tx,
    sql`select ${columns} from attribute_definitions d
        where d.account_id = ${tx.accountId}::uuid and ${live} order by d.id for share of d`,
  )
  return new Map(rows.map((row) => [row.name, row]))
}

/** Throws `not_found`. `lock` keeps values from being written until the commit. */
export async function findAttribute(
  tx: Tx,
  id: string,
  options: { lock?: boolean } = {},
): Promise<AttributeRow> {
  const row = await queryOne<AttributeRow>(
    tx,
    sql`select ${columns} from attribute_definitions d
        where d.id = ${id}::uuid and d.account_id = ${tx.accountId}::uuid and ${live}
        ${options.lock ? sql`for update of d` : sql``}`,
  )
  if (!row) throw new AppError('not_found', `There is no attribute ${id}`)
  return row
}

/** Adds an attribute unless its account has one of that name; answers whether it did. */
export async function insertAttribute(
  tx: Tx,
  { id, name, label, type, choices, createdAt }: Omit<AttributeRow, 'accountId' | 'isIndexing'>,
): Promise<boolean> {
  const rows = await query(
    tx,
    sql`insert into attribute_definitions
          (id, account_id, name, label, type, choices, created_at, indexed_after)
        values (${id}::uuid, ${tx.accountId}::uuid, ${name}, ${label}, ${type},
          ${choices}::text[], ${createdAt}, '00000000-0000-0000-0000-000000000000')
        on conflict (account_id, name) where dropped_at is null do nothing returning id`,
  )
  return rows.length > 0
}

export async function writeAttribute(
  tx: Tx,
  { id, label, choices }: Pick<Attribute, 'id' | 'label' | 'choices'>,
): Promise<void> {
  await sql`update attribute_definitions set label = ${label}, choices = ${choices}::text[]
    where id = ${id}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

/** What is indexed under it goes by and by, and then it does. */
export async function markDropped(tx: Tx, id: string): Promise<void> {
  await sql`update attribute_definitions set dropped_at = now(), indexed_after = null
    where id = ${id}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

const mostCounted = 10_000

/** How many contacts have a value of an attribute, or one of these texts: at most 10,001. */
export async function countValues(
  tx: Tx,
  id: string,
  texts?: readonly string[],
): Promise<{ contacts: number; isMore: boolean }> {
  const which = texts ? sql`and text_value = any(${texts}::text[])` : sql``
  const row = await queryOne<{ n: number }>(
    tx,
    sql`select count(*)::int as n from (
          select from contact_values where attribute_id = ${id}::uuid
            and account_id = ${tx.accountId}::uuid ${which} limit ${mostCounted + 1}) v`,
  )
  const { n } = row!
  return { contacts: Math.min(n, mostCounted), isMore: n > mostCounted }
}
