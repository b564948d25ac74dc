import { createWorld, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase, ownerRole, query, sql, type Tx } from '../src/index.ts'

const stack = new AsyncDisposableStack()
let world: World

beforeAll(async () => {
  world = stack.use(await createWorld())
  await world.sql(`create table accounts.pages (id integer primary key, title text not null default '');
    grant all on accounts.pages to accounts; insert into accounts.pages (id) values (1), (2)`)
})
afterAll(() => stack.disposeAsync())

/** One connection, so that what it has prepared can be asked. */
async function single(maxNames = 20): Promise<Database> {
  return stack.use(
    await openDatabase({
      url: world.roleUrl('accounts'),
      schema: 'accounts',
      poolSize: 1,
      statements: { maxNames, maxCandidates: 10 },
    }),
  )
}
const page = (tx: Tx, id: number) => query(tx, sql`select * from pages where id = ${id}`)
const prepared = async (db: Database) =>
  (
    await db.system((tx) =>
      query<{ statement: string }>(
        tx,
        sql`select statement from pg_prepared_statements order by prepare_time`,
      ),
    )
  ).map((row) => row.statement)
const times = async (count: number, run: (i: number) => Promise<unknown>) => {
  for (let i = 0; i < count; i++) await run(i)
}

test('a statement that is used often is parsed once a connection, inside and outside of transactions', async () => {
  const db = await single()
  await times(8, (i) => db.system((tx) => page(tx, i)))
  await times(8, (i) => db.statement(sql`select title from pages where id = ${i}`))
  expect(await prepared(db)).toEqual([
    'select * from pages where id = $1',
    'select title from pages where id = $1',
  ])
})

test('past its bound further statements have no name, and texts that differ each time never get one', async () => {
  const db = await single(3)
  await times(6, (n) =>
    times(6, () =>
      db.system((tx) => query(tx, sql`select ${n}::int, ${sql.raw(String(n))} as fixed`)),
    ),
  )
  await times(200, (n) =>
    db.system((tx) => query(tx, sql`select ${n}::int, ${sql.raw(String(1000 + n))} as differs`)),
  )
  expect(await prepared(db)).toHaveLength(3)
})

test('a table that changes under its statements costs another run and no failure, in a transaction and for a single statement', async () => {
  const db = await single()
  const both = () =>
    Promise.all([
      db.system((tx) => page(tx, 1)),
      db.statement(sql`select * from pages where id <= ${2}`),
    ])
  await times(6, both)
  for (const column of ['subtitle', 'footer']) {
    await world.sql(`alter table accounts.pages add column ${column} text default '${column}'`)
    const [[one], two] = await both()
    expect(one).toMatchObject({ [column]: column })
    expect(two).toHaveLength(2)
    await times(6, both)
  }
  expect((await prepared(db)).filter((text) => text.startsWith('/*'))).toHaveLength(4)
})

test('another thing that PostgreSQL does not support is not run again', async () => {
  const db = await single()
  let runs = 0
  const failing = db.system((tx) => {
    runs++
    return query(tx, sql`do $$ begin raise exception 'no' using errcode = '0A000'; end $$`)
  })
  await expect(failing).rejects.toMatchObject({ code: '0A000' })
  expect(runs).toBe(1)
})

test('what a role is told holds on each connection without a start-up option', async () => {
  const db = await single()
  const names = [
    'search_path',
    'jit',
    'lock_timeout',
    'statement_timeout',
    'idle_in_transaction_session_timeout',
    'random_page_cost',
  ]
  const rows = await db.system((tx) =>
    query(
      tx,
      sql`select name, setting from unnest(${names}::text[]) name, current_setting(name) setting`,
    ),
  )
  expect(rows).toEqual([
    { name: 'search_path', setting: 'accounts, pg_temp' },
    { name: 'jit', setting: 'off' },
    { name: 'lock_timeout', setting: '10s' },
    { name: 'statement_timeout', setting: '1min' },
    { name: 'idle_in_transaction_session_timeout', setting: '1min' },
    { name: 'random_page_cost', setting: '1.1' },
  ])
})

test('every function that runs with the rights of its owner looks for names in its own schema, and for temporary ones last', async () => {
  const functions = await world.sql<{ name: string; schema: string; path: string | null }>(
    `select p.oid::regprocedure::text as name, s.nspname as schema,
            (select substr(c, 13) from unnest(p.proconfig) c where c like 'search\\_path=%') as path
     from pg_proc p join pg_namespace s on s.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
     where p.prosecdef and r.rolname = '${ownerRole}' order by 1`,
  )
  expect(functions.length).toBeGreaterThan(5)
  for (const { name, schema, path } of functions)
    expect(`${name}: ${path}`).toBe(`${name}: ${schema}, pg_temp`)
})
