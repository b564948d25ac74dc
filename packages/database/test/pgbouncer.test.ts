import path from 'node:path'
import { startPgbouncer } from '@lockstep/servers'
import { createWorld, testPassword, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import {
  type Database,
  openDatabase,
  query,
  queryOne,
  sql,
  sqlState,
  type Tx,
  tenantTable,
} from '../src/index.ts'

const acme = '0198c000-0000-7000-8000-00000000000a'
const globex = '0198c000-0000-7000-8000-00000000000b'
/** Of PgBouncer to PostgreSQL: fewer than clients, so that each transaction may meet another connection. */
const connections = 3
const root = path.resolve(import.meta.dirname, '../../..')
const stack = new AsyncDisposableStack()
let world: World
let pooled: string

beforeAll(async () => {
  world = stack.use(await createWorld())
  await world.sql(`create table accounts.notes (id integer generated always as identity primary key, account_id uuid not null, text text);
    ${tenantTable('accounts', 'accounts.notes')} grant all on accounts.notes to accounts;
    insert into accounts.notes (account_id, text) values ('${acme}', 'a'), ('${acme}', 'b'), ('${globex}', 'c')`)
  pooled = await pooler('keeps', 200)
}, 180_000) // the first time it is fetched
afterAll(() => stack.disposeAsync())

/** The URL by which a service's role reaches its database through a PgBouncer. */
async function pooler(name: string, statements: number): Promise<string> {
  const dir = path.join(inject('servers').dir, 'worlds', `pgbouncer-${name}`)
  const users = { accounts: testPassword }
  const running = await startPgbouncer({
    root,
    dir,
    server: world.roleUrl('accounts'),
    users,
    connections,
    statements,
  })
  stack.defer(() => running.stop())
  return running.url
}
/** A service behind a pooler; its pool is larger than what the pooler has. */
const open = async (url: string): Promise<Database> =>
  stack.use(await openDatabase({ url, schema: 'accounts', poolSize: 8 }))
const notes = (tx: Tx) =>
  query<{ text: string }>(tx, sql`select text from notes where id > ${0} order by id`)
const texts = (rows: { text: string }[]) => rows.map(({ text }) => text).join('')
const servers = async (): Promise<number> => {
  const [row] = await world.sql<{ n: string }>(
    `select count(*) as n from pg_stat_activity where usename = 'accounts' and datname = current_database()`,
  )
  return Number(row!.n)
}

test('tenants stay apart while two processes share three connections, and a transaction without a tenant sees nothing', async () => {
  const [one, two] = [await open(pooled), await open(pooled)]
  const rounds = Array.from({ length: 60 }, async (_, i) => {
    const db = i % 2 ? one : two
    expect(texts(await db.transaction(acme, notes))).toBe('ab')
    expect(texts(await db.transaction(globex, notes))).toBe('c')
    expect(texts(await db.transaction([acme, globex], notes))).toBe('abc')
    expect(texts(await db.system(notes))).toBe('')
    const planted = db.transaction(acme, (tx) =>
      query(tx, sql`insert into notes (account_id, text) values (${globex}, ${'x'})`),
    )
    expect(await planted.then(() => 'allowed', sqlState)).toBe('42501')
  })
  await Promise.all(rounds)
  expect(await servers()).toBe(connections)
})

test('statements keep their names on the connections behind it', async () => {
  const db = await open(pooled)
  await Promise.all(Array.from({ length: 40 }, () => db.transaction(acme, notes)))
  const named = () =>
    db.system((tx) =>
      queryOne<{ n: string }>(
        tx,
        sql`select count(*) as n from pg_prepared_statements where statement like '%from notes%'`,
      ),
    )
  const counts = await Promise.all(Array.from({ length: 6 }, named))
  for (const row of counts) expect(Number(row!.n)).toBeGreaterThan(0)
})

test('the settings of a role hold in every transaction', async () => {
  const db = await open(pooled)
  const settings = () =>
    db.system(async (tx) => {
      await query(tx, sql`select set_config('lock_timeout', '1s', true)`)
      return query(
        tx,
        sql`select current_setting('search_path') as path, current_setting('statement_timeout') as bound, current_setting('jit') as jit`,
      )
    })
  for (const rows of await Promise.all(Array.from({ length: 12 }, settings)))
    expect(rows).toEqual([{ path: 'accounts, pg_temp', bound: '1min', jit: 'off' }])
  expect(
    await db.system((tx) => query(tx, sql`select current_setting('lock_timeout') as bound`)),
  ).toEqual([{ bound: '10s' }])
})

test('a table that changes costs another run and no failure', async () => {
  const db = await open(pooled)
  const all = () =>
    db.transaction(acme, (tx) => query(tx, sql`select * from notes where id > ${0}`))
  for (const column of ['subject', 'footer']) {
    await Promise.all(Array.from({ length: 30 }, all))
    await world.sql(`alter table accounts.notes add column ${column} text default '${column}'`)
    for (const rows of await Promise.all(Array.from({ length: 30 }, all)))
      expect(rows[0]).toMatchObject({ [column]: column })
  }
})

test('one that keeps no statements, as before 1.21, costs the names and no failure', async () => {
  const url = await pooler('forgets', 0)
  const [one, two] = [await open(url), await open(url)]
  const work = async (i: number) => {
    const db = i % 2 ? one : two
    expect(texts(await db.transaction(acme, notes))).toBe('ab')
    const [row] = await db.system((tx) =>
      query<{ n: number }>(tx, sql`select ${i}::int as n, ${sql.raw(String(i % 5))} as differs`),
    )
    expect(row!.n).toBe(i)
  }
  await Promise.all(Array.from({ length: 200 }, (_, i) => work(i)))
})
