import { createWorld, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase, query, rowset, sql } from '../src/index.ts'

const stack = new AsyncDisposableStack()
let world: World
let db: Database

beforeAll(async () => {
  world = stack.use(await createWorld())
  db = stack.use(
    await openDatabase({ url: world.roleUrl('accounts'), schema: 'accounts', poolSize: 1 }),
  )
})
afterAll(() => stack.disposeAsync())

const id = '0198c000-0000-7000-8000-000000000001'
const at = new Date('2026-01-02T03:04:05.678Z')
const read = <Row>(statement: Parameters<typeof query>[1]) =>
  db.system((tx) => query<Row>(tx, statement))

test('each column has its values in the order of the rows, and null where a row has none', async () => {
  const rows = [
    {
      contactId: id,
      n: '9007199254740993',
      count: 2,
      ratio: 0.5,
      isOpen: true,
      at,
      body: Buffer.from([0, 255]),
    },
    {
      contactId: null,
      n: null,
      count: undefined,
      ratio: null,
      isOpen: false,
      at: null,
      body: null,
    },
  ]
  const columns = {
    contactId: 'uuid',
    n: 'bigint',
    count: 'integer',
    ratio: 'float8',
    isOpen: 'boolean',
    at: 'timestamptz',
    body: 'bytea',
  } as const
  const found = await read(
    sql`select contact_id as "contactId", n, count, ratio, is_open as "isOpen", at, body
        from ${rowset(rows, columns, { ordinal: 'place' })} order by v.place`,
  )
  expect(found).toEqual([rows[0], { ...rows[1], count: null }])
})

test('an array and a JSON value stay whole in their row, whatever characters they hold', async () => {
  const odd = ['', 'null', 'NULL', '{a,"b"}', 'back\\slash', 'line\nbreak', 'it’s', ' 😀 ']
  const rows = [
    { key: 'a', tags: odd, ids: [id], content: { text: odd } },
    { key: 'b', tags: [], ids: [], content: 'a text' },
    { key: 'c', tags: null, ids: undefined, content: null },
  ]
  const columns = { key: 'text', tags: 'text[]', ids: 'uuid[]', content: 'jsonb' } as const
  const found = await read(
    sql`select p.key, p.tags, p.ids::text[], p.content
        from ${rowset(rows, columns, { as: 'p', ordinal: 'n' })} order by p.n`,
  )
  expect(found).toEqual([rows[0], rows[1], { ...rows[2], ids: null }])
})

test('the text of a statement is the same for any number of rows, so that it is planned once', async () => {
  const listOf = (count: number) =>
    sql`select key from ${rowset(
      Array.from({ length: count }, (_, i) => ({ key: `${i}` })),
      { key: 'text' },
    )}`
  for (const count of [0, 1, 2, 3, 500]) expect(await read(listOf(count))).toHaveLength(count)
  const names = await read<{ statement: string }>(
    sql`select statement from pg_prepared_statements where statement like '%unnest%'`,
  )
  expect(names.map(({ statement }) => statement)).toEqual([
    'select key from unnest($1::text[]) "v"("key")',
  ])
})

test('a column of the wrong type for its property does not compile', () => {
  const rows = [{ id, count: 1 }]
  // @ts-expect-error A number is no uuid.
  rowset(rows, { count: 'uuid' })
  // @ts-expect-error There is no such property.
  rowset(rows, { name: 'text' })
  expect(rowset(rows, { id: 'uuid', count: 'integer' })).toBeDefined()
})
