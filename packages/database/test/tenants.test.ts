import { createWorld, testPassword, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Database,
  openDatabase,
  ownerRole,
  query,
  sql,
  sqlState,
  tenantTable,
  withClient,
} from '../src/index.ts'

const acme = '0198c000-0000-7000-8000-00000000000a'
const globex = '0198c000-0000-7000-8000-00000000000b'
const stack = new AsyncDisposableStack()
let world: World
let db: Database

beforeAll(async () => {
  world = stack.use(await createWorld())
  const owner = new URL(world.adminUrl)
  owner.username = ownerRole
  owner.password = testPassword
  // As a migration would: by the owner, with forced row-level security and one function that lists across tenants.
  await withClient(owner.toString(), async (client) => {
    await client.query(`set search_path = accounts;
      create table notes (id integer primary key, account_id uuid not null, due boolean not null default true);
      ${tenantTable('accounts', 'notes')}
      create function due_notes() returns table (account_id uuid, id integer)
        language sql stable security definer set search_path = accounts, pg_temp
        as $$ select account_id, id from notes where due order by id $$;`)
  })
  db = stack.use(await openDatabase({ url: world.roleUrl('accounts'), schema: 'accounts' }))
  await db.transaction(acme, (tx) =>
    query(tx, sql`insert into notes (id, account_id) values (1, ${acme}), (2, ${acme})`),
  )
  await db.transaction(globex, (tx) =>
    query(tx, sql`insert into notes (id, account_id) values (3, ${globex})`),
  )
})
afterAll(() => stack.disposeAsync())

const ids = sql<{ id: number }>`select id from notes order by id`

test('a tenant sees its own rows only', async () => {
  expect(await db.transaction(acme, (tx) => query(tx, ids))).toEqual([{ id: 1 }, { id: 2 }])
  expect(await db.transaction(globex, (tx) => query(tx, ids))).toEqual([{ id: 3 }])
})

test('a forgotten tenant sees nothing, also on a connection that another tenant has just used', async () => {
  await using single = await openDatabase({
    url: world.roleUrl('accounts'),
    schema: 'accounts',
    poolSize: 1,
  })
  expect(await single.transaction(acme, (tx) => query(tx, ids))).toHaveLength(2)
  expect(await single.system((tx) => query(tx, ids))).toEqual([])
})

test("a tenant can neither write a row for another, nor change or delete another's", async () => {
  const planted = db.transaction(acme, (tx) =>
    query(tx, sql`insert into notes (id, account_id) values (9, ${globex})`),
  )
  expect(await planted.then(() => 'allowed', sqlState)).toBe('42501')
  const moved = db.transaction(acme, (tx) =>
    query(tx, sql`update notes set account_id = ${globex} where id = 1`),
  )
  expect(await moved.then(() => 'allowed', sqlState)).toBe('42501')
  await db.transaction(acme, (tx) => query(tx, sql`delete from notes where id = 3`))
  expect(await world.sql('select id from accounts.notes order by id')).toEqual([
    { id: 1 },
    { id: 2 },
    { id: 3 },
  ])
})

test('a transaction of several accounts touches their rows, and none of an account outside its list', async () => {
  const initech = '0198c000-0000-7000-8000-00000000000c'
  await db.transaction(initech, (tx) =>
    query(tx, sql`insert into notes (id, account_id) values (4, ${initech})`),
  )
  const both = [acme, globex]
  expect(await db.transaction(both, (tx) => query(tx, ids))).toEqual([
    { id: 1 },
    { id: 2 },
    { id: 3 },
  ])
  await db.transaction(both, (tx) => query(tx, sql`update notes set due = false`))
  await db.transaction(both, (tx) => query(tx, sql`delete from notes where id = 4`))
  expect(await world.sql('select id from accounts.notes where due')).toEqual([{ id: 4 }])
  const planted = db.transaction(both, (tx) =>
    query(tx, sql`insert into notes (id, account_id) values (9, ${initech})`),
  )
  expect(await planted.then(() => 'allowed', sqlState)).toBe('42501')
  const listed = db.transaction([`${acme},${initech}`], (tx) => query(tx, ids))
  expect(await listed.then(() => 'allowed', sqlState)).toBe('22P02')
  await world.sql(
    'update accounts.notes set due = true where id < 4; delete from accounts.notes where id = 4',
  )
})

test('a sweeper finds the work of every account through the function that lists it, then works per tenant', async () => {
  const due = await db.system((tx) =>
    query<{ account_id: string; id: number }>(tx, sql`select * from due_notes()`),
  )
  expect(due.map((row) => row.account_id)).toEqual([acme, acme, globex])
  for (const { account_id, id } of due)
    await db.transaction(account_id, (tx) =>
      query(tx, sql`update notes set due = false where id = ${id}`),
    )
  expect(await world.sql('select id from accounts.notes where due')).toEqual([])
})
