import { type RawBuilder, sql } from 'kysely'

/** What a column of each SQL type is made of; null and undefined are null. */
interface ColumnTypes {
  uuid: string
  text: string
  bigint: string | number | bigint
  integer: number
  float8: number
  boolean: boolean
  timestamptz: Date | string
  bytea: Uint8Array
  jsonb: unknown
  'text[]': readonly string[]
  'uuid[]': readonly string[]
  'integer[]': readonly number[]
}
type ColumnType = keyof ColumnTypes

type TypesFor<Value> = {
  [Type in ColumnType]: NonNullable<Value> extends ColumnTypes[Type] ? Type : never
}[ColumnType]

/** The SQL types of those properties of a row that become columns. */
export type RowsetColumns<Row> = { readonly [Name in keyof Row & string]?: TypesFor<Row[Name]> }

export interface RowsetOptions {
  /** The table's name in the statement; `v` by default. */
  as?: string
  /** Name of a further column, which counts the rows from 1 in their order. */
  ordinal?: string
}

/**
 * Rows as a table in a statement: `from ${rowset(people, { contactId: 'uuid', tags: 'text[]' })}`
 * has the columns `v.contact_id` and `v.tags`. A column is one parameter for any number of rows.
 */
export function rowset<Row extends object>(
  rows: readonly Row[],
  columns: RowsetColumns<Row>,
  { as = 'v', ordinal }: RowsetOptions = {},
): RawBuilder<unknown> {
  const types = Object.entries(columns) as [keyof Row & string, ColumnType][]
  const names = [...types.map(([property]) => snakeCase(property)), ...(ordinal ? [ordinal] : [])]
  const arrays = types.map(([property, type]) => {
    const values = rows.map((row) => encoded(row[property], type))
    return sql`${values}::${sql.raw(isNested(type) ? 'text' : type)}[]`
  })
  const list = sql.join(names.map((name) => sql.ref(name)))
  const unnested = sql`unnest(${sql.join(arrays)})${sql.raw(ordinal ? ' with ordinality' : '')}`
  if (!types.some(([, type]) => isNested(type))) return sql`${unnested} ${sql.ref(as)}(${list})`
  const cast = names.map((name, i) => {
    const type = types[i]?.[1]
    return type && isNested(type) ? sql`${sql.ref(name)}::${sql.raw(type)}` : sql.ref(name)
  })
  return sql`(select ${sql.join(cast)} from ${unnested} texts(${list})) ${sql.ref(as)}(${list})`
}

/** The columns of a rowset by their names in SQL, as an insert lists them. */
export const columnList = (columns: object): RawBuilder<unknown> =>
  sql.join(Object.keys(columns).map((property) => sql.ref(snakeCase(property))))

/** Columns of a table under their names in a row; those in `asText` as text. */
export const selectList = (columns: object, asText: readonly string[] = []): RawBuilder<unknown> =>
  sql.join(
    Object.keys(columns).map((property) => {
      const cast = asText.includes(property) ? sql`::text` : sql``
      return sql`${sql.ref(snakeCase(property))}${cast} as ${sql.ref(property)}`
    }),
  )

/** An array of arrays would be unnested to its innermost values, so these travel as text. */
const isNested = (type: ColumnType): boolean => type === 'jsonb' || type.endsWith('[]')

function encoded(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null
  if (type === 'jsonb') return JSON.stringify(value)
  if (Array.isArray(value)) return `{${value.map(quoted).join(',')}}`
  return value instanceof Date ? value.toISOString() : value
}

/** As PostgreSQL quotes an element of an array. */
const quoted = (item: unknown): string => `"${String(item).replaceAll(/["\\]/g, '\\$&')}"`

const snakeCase = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
