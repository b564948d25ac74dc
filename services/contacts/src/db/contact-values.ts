import {
  type Database,
  query,
  queryOne,
  type RawBuilder,
  rowset,
  sql,
  type Tx,
} from '@lockstep/database'
import { type Attribute, type TypedValue, typedValue } from '../attributes/attribute.ts'
import { listAttributes } from './attributes.ts'

/** Brings the index of values up to date with locked contacts whose attributes were written. */
export async function indexValues(tx: Tx, contactIds: readonly string[]): Promise<void> {
  if (contactIds.length === 0) return
  const attributes = await listAttributes(tx)
  if (attributes.length > 0) await indexAttributes(tx, contactIds, attributes)
}

interface WrittenValue {
  contactId: string
  attributeId: string
  value: string
}

/** Indexes what contacts have of some attributes. */
export async function indexAttributes(
  tx: Tx,
  contactIds: readonly string[],
  attributes: readonly Attribute[],
): Promise<void> {
  const v = rowset(attributes, { id: 'uuid', accountId: 'uuid', name: 'text' })
  const written = await query<WrittenValue>(
    tx,
    sql`select c.id as "contactId", v.id as "attributeId", c.attributes ->> v.name as value
        from contacts c join ${v} on v.account_id = c.account_id
        where c.id = any(${contactIds}::uuid[]) and c.attributes ? v.name`,
  )
  const byId = new Map(attributes.map((attribute) => [attribute.id, attribute]))
  const rows = written.flatMap(({ contactId, attributeId, value }) => {
    const attribute = byId.get(attributeId)!
    const typed = typedValue(attribute, value)
    return typed ? [{ contactId, attributeId, accountId: attribute.accountId, ...typed }] : []
  })
  await deleteOthers(tx, contactIds, attributes, rows)
  await upsertValues(tx, rows)
}

type ValueRow = { contactId: string; attributeId: string; accountId: string } & TypedValue
const keyColumns = { contactId: 'uuid', attributeId: 'uuid' } as const

async function deleteOthers(
  tx: Tx,
  contactIds: readonly string[],
  attributes: readonly Attribute[],
  rows: readonly ValueRow[],
): Promise<void> {
  await sql`delete from contact_values o
    where o.contact_id = any(${contactIds}::uuid[])
      and o.attribute_id = any(${attributes.map(({ id }) => id)}::uuid[])
      and not exists (select from ${rowset(rows, keyColumns)}
        where v.contact_id = o.contact_id and v.attribute_id = o.attribute_id)`.execute(tx.sql)
}

async function upsertValues(tx: Tx, rows: readonly ValueRow[]): Promise<void> {
  if (rows.length === 0) return
  const columns = {
    ...keyColumns,
    accountId: 'uuid',
    textValue: 'text',
    numberValue: 'float8',
    dateValue: 'text',
  } as const
  await sql`insert into contact_values as o
      (contact_id, attribute_id, account_id, text_value, number_value, date_value)
    select v.contact_id, v.attribute_id, v.account_id, v.text_value, v.number_value,
      v.date_value::date
    from ${rowset(rows, columns)} order by v.contact_id, v.attribute_id
    on conflict (contact_id, attribute_id) do update
      set text_value = excluded.text_value, number_value = excluded.number_value,
        date_value = excluded.date_value
      where (o.text_value, o.number_value, o.date_value)
        is distinct from (excluded.text_value, excluded.number_value, excluded.date_value)`.execute(
    tx.sql,
  )
}

/** Definitions whose contacts are to be indexed, or whose values are to go, of all tenants. */
export function attributesWithWork(db: Database): Promise<{ id: string; accountId: string }[]> {
  return db.statement(sql`select id, account_id as "accountId" from attributes_with_work()`)
}

export interface IndexWork {
  isDropped: boolean
  /** The contact up to which all are indexed. */
  after: string
  /** Whoever might not have seen the definition is done. */
  isSeen: boolean
}

/** Locks a definition, and answers where the work on it stands; undefined when there is none. */
export async function lockIndexWork(tx: Tx, id: string): Promise<IndexWork | undefined> {
  await sql`update attribute_definitions set seen_xid = pg_current_xact_id()
    where id = ${id}::uuid and account_id = ${tx.accountId}::uuid and seen_xid is null`.execute(
    tx.sql,
  )
  return queryOne(
    tx,
    sql`select dropped_at is not null as "isDropped", indexed_after as after,
          seen_xid < pg_snapshot_xmin(pg_current_snapshot()) as "isSeen"
        from attribute_definitions
        where id = ${id}::uuid and account_id = ${tx.accountId}::uuid
          and (indexed_after is not null or dropped_at is not null) for no key update`,
  )
}

/** Locks the account's next contacts in the order of their ids. */
export async function lockNextContacts(tx: Tx, after: string, most: number): Promise<string[]> {
  const next = (which: RawBuilder<unknown>) => sql`(select id from contacts
    where account_id = ${tx.accountId}::uuid and id > ${after}::uuid and ${which}
    order by id limit ${most})`
  const rows = await query<{ id: string }>(
    tx,
    sql`select id from contacts
        where id in (select id from (
            ${next(sql`merged_into is null and archived_at is null`)} union all
            ${next(sql`archived_at is not null and forgotten_at is null`)}) n
          order by id limit ${most})
        order by id for no key update`,
  )
  return rows.map(({ id }) => id)
}

/** Takes all values of contacts away that are no contacts of their own any more. */
export async function dropValues(tx: Tx, contactIds: readonly string[]): Promise<void> {
  await sql`delete from contact_values where contact_id = any(${contactIds}::uuid[])
    and account_id = any(${tx.accountIds}::uuid[])`.execute(tx.sql)
}

/** Notes up to which contact an attribute is indexed: null when all are. */
export async function writeIndexed(tx: Tx, id: string, after: string | null): Promise<void> {
  await sql`update attribute_definitions set indexed_after = ${after}::uuid
    where id = ${id}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

/** Takes some of the values of a definition away, and the definition once there are none. */
export async function deleteValues(tx: Tx, id: string, most: number): Promise<boolean> {
  const gone = await query(
    tx,
    sql`delete from contact_values v using (
          select contact_id, attribute_id from contact_values where attribute_id = ${id}::uuid
            and account_id = ${tx.accountId}::uuid
          order by contact_id limit ${most} for update) p
        where v.contact_id = p.contact_id and v.attribute_id = p.attribute_id
        returning v.contact_id`,
  )
  if (gone.length === most) return false
  await sql`delete from attribute_definitions
    where id = ${id}::uuid and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
  return true
}
