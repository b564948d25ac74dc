import { query, type RawBuilder, sql, type Tx } from '@lockstep/database'
import type { Attribute, TypedValue } from '../attributes/attribute.ts'
import type { AttributeTest, Condition, ContactFilter } from '../filters/contact-filter.ts'

type Sql = RawBuilder<unknown>

/** Contacts `c` that are in lists. */
export const isListed = sql`c.merged_into is null and c.archived_at is null`

/** Whether a contact `c` of the account is meant: the few that can be are looked up by their ids. */
export async function filterCondition(tx: Tx, filter: ContactFilter): Promise<Sql> {
  if (filter.everybody) return sql`true`
  const test = testSql(tx.accountId!, filter.where, false)
  const ids = await fewIds(tx, filter.where)
  return ids ? sql`c.id = any(${[...new Set(ids)]}::uuid[]) and ${test}` : test
}

/** Nothing but leaves is negated, so that a contact is looked up once whatever stands above. */
function testSql(accountId: string, condition: Condition, isNegated: boolean): Sql {
  switch (condition.kind) {
    case 'not':
      return testSql(accountId, condition.condition, !isNegated)
    case 'and':
    case 'or': {
      const { kind, conditions } = condition
      const each = conditions.map((one) => testSql(accountId, one, isNegated))
      return sql`(${sql.join(each, (kind === 'and') === isNegated ? sql` or ` : sql` and `)})`
    }
    default:
      return leafSql(accountId, condition as Leaf, isNegated)
  }
}

function leafSql(accountId: string, leaf: Leaf, isNegated: boolean): Sql {
  const rows = rowsOf(accountId, leaf)
  if (!rows) return isNegated ? sql`(${columnTest(leaf)}) is not true` : columnTest(leaf)
  const found = sql`exists (select from ${rows.from} where ${rows.where} and ${rows.id} = c.id)`
  const test = rows.also ? sql`(${found} and ${rows.also})` : found
  return isNegated ? sql`not ${test}` : test
}

type Leaf = Exclude<Condition, { kind: 'and' | 'or' | 'not' }>

/** So many contacts are looked up one by one; where there are more the planner chooses. */
const fewContacts = 2_000

/**
 * The ids of the contacts that a condition means at most, by indexes alone, if they are few. Among
 * them may be some that it does not mean.
 */
async function fewIds(tx: Tx, condition: Condition): Promise<string[] | undefined> {
  switch (condition.kind) {
    case 'not':
      return undefined
    case 'and': {
      for (const one of condition.conditions) {
        const ids = await fewIds(tx, one)
        if (ids) return ids
      }
      return undefined
    }
    case 'or': {
      const all: string[] = []
      for (const one of condition.conditions) {
        const ids = await fewIds(tx, one)
        if (!ids || all.length + ids.length > fewContacts) return undefined
        all.push(...ids)
      }
      return all
    }
    default:
      return isIndexed(condition as Leaf) ? fewOfLeaf(tx, condition as Leaf) : undefined
  }
}

/** Whether an index finds all that a leaf means. */
function isIndexed(leaf: Leaf): boolean {
  if (leaf.kind === 'flag') return leaf.value
  if (leaf.kind === 'time') return leaf.field === 'created_at'
  return leaf.kind !== 'has text'
}

async function fewOfLeaf(tx: Tx, leaf: Leaf): Promise<string[] | undefined> {
  const accountId = tx.accountId!
  const rows = rowsOf(accountId, leaf)
  const ids = rows
    ? sql`select ${rows.id} as id from ${rows.from} where ${rows.where}`
    : sql`select c.id from contacts c where c.account_id = ${accountId}::uuid and ${isListed}
        and ${columnTest(leaf)}`
  const found = await query<{ id: string }>(tx, sql`${ids} limit ${fewContacts + 1}`)
  return found.length > fewContacts ? undefined : found.map(({ id }) => id)
}

/** Rows of another table that say that a contact is meant. */
interface Rows {
  from: Sql
  where: Sql
  /** The contact that a row is about. */
  id: Sql
  /** What the contact itself must be beside. */
  also?: Sql
}

function rowsOf(accountId: string, condition: Leaf): Rows | undefined {
  switch (condition.kind) {
    case 'tag':
      return {
        from: sql`contact_tags t`,
        where: sql`t.account_id = ${accountId}::uuid and t.tag = any(${condition.tags}::text[])`,
        id: sql`t.contact_id`,
      }
    case 'number':
      return {
        from: sql`identities i`,
        where: sql`i.account_id = ${accountId}::uuid and i.namespace = 'number'
          and i.match_key = any(${condition.matchKeys}::text[])`,
        id: sql`i.contact_id`,
      }
    case 'attribute':
      return valueRows(accountId, condition.attribute, condition.test)
    default:
      return undefined
  }
}

function columnTest(condition: Leaf): Sql {
  switch (condition.kind) {
    case 'text': {
      const column = sql`c.${sql.ref(condition.field)}`
      // The second condition is that of the index.
      return sql`(${column} = any(${condition.values}::text[]) and ${column} <> '')`
    }
    case 'has text':
      return sql`c.${sql.ref(condition.field)} <> ''`
    case 'flag': {
      const column = sql`c.${sql.ref(condition.field)}`
      return condition.value ? column : sql`not ${column}`
    }
    case 'time':
      return timeSql(condition)
    default:
      throw new TypeError(`${condition.kind} is no test of a column`)
  }
}

function timeSql({ field, from, until }: Extract<Condition, { kind: 'time' }>): Sql {
  const column = sql`c.${sql.ref(field)}`
  if (from) return sql`${column} >= ${from}`
  return until ? sql`${column} < ${until}` : sql`${column} is not null`
}

function valueRows(accountId: string, attribute: Attribute, test: AttributeTest): Rows {
  const { id, type, name } = attribute
  const column = sql.ref(`v.${columnOf(type)}`)
  const rows = (which: Sql): Rows => ({
    from: sql`contact_values v`,
    where: sql`v.attribute_id = ${id}::uuid and v.account_id = ${accountId}::uuid and ${which}`,
    id: sql`v.contact_id`,
  })
  switch (test.op) {
    case 'is_set':
      return rows(sql`${column} is not null`)
    case 'at_least':
      return rows(sql`${column} >= ${valueSql(test.value)}`)
    case 'at_most':
      return rows(sql`${column} <= ${valueSql(test.value)}`)
    case 'in': {
      const found = rows(sql`${column} in (${sql.join(test.values.map(valueSql))})`)
      if (type !== 'text') return found
      // Of long texts the index has the beginning only.
      return { ...found, also: sql`c.attributes ->> ${name}::text = any(${test.texts}::text[])` }
    }
  }
}

function columnOf(type: Attribute['type']): 'number_value' | 'date_value' | 'text_value' {
  if (type === 'number') return 'number_value'
  return type === 'date' ? 'date_value' : 'text_value'
}

function valueSql({ textValue, numberValue, dateValue }: TypedValue): Sql {
  if (numberValue !== undefined) return sql`${numberValue}::float8`
  return dateValue === undefined ? sql`${textValue}::text` : sql`${dateValue}::date`
}
