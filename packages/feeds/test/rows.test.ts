import { hashOfKey, laneSettings, lanes, partitionOf } from '@lockstep/contracts'
import { type Database, openDatabase, sql } from '@lockstep/database'
import { createWorld, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  appendFeed,
  dismissDead,
  duePartitions,
  feedCounts,
  listDead,
  replayDead,
  type Settlement,
  settleFeed,
  type TakeOptions,
  takeFeed,
} from '../src/index.ts'

const accountId = '0198c000-0000-7000-8000-000000000001'
const lane = 'templates.sync'
const stack = new AsyncDisposableStack()
let world: World
let db: Database

beforeAll(async () => {
  world = stack.use(await createWorld())
  db = stack.use(await openDatabase({ url: world.roleUrl('templates'), schema: 'templates' }))
})
afterAll(() => stack.disposeAsync())
beforeEach(() => world.sql('truncate templates.feed_open, templates.feed_dead restart identity'))

const append = (key: string, count: number, body?: unknown) =>
  db.transaction(accountId, async (tx) => {
    for (let i = 0; i < count; i++) await appendFeed(tx, { lane, key, rowId: `${key}${i}`, body })
  })
const everything = Array.from({ length: lanes[lane].partitions }, (_, partition) => partition)
const takeAll = (wanted: Partial<TakeOptions> = {}) =>
  db.system((tx) => takeFeed(tx, { lane, partitions: everything, ...wanted }))
const take = (key: string, maxEntries = 500, maxBytes = 2_000_000) =>
  takeAll({ partitions: [partitionOf(lane, key)], maxEntries, maxBytes })
type WithoutKey = Settlement extends infer V ? (V extends unknown ? Omit<V, 'key'> : never) : never
const settle = (key: string, settlements: WithoutKey[], retryMs = 0) =>
  db.system((tx) =>
    settleFeed(
      tx,
      lane,
      settlements.map((settlement) => ({ ...settlement, key }) as Settlement),
      { retryMs },
    ),
  )
const rowIds = async (...args: Parameters<typeof take>) =>
  (await take(...args)).entries.map((entry) => entry.rowId)
const open = () => world.sql('select id, attempts, not_before from templates.feed_open order by id')

test('entries are taken in the order they were written, of their own key only, and taking does not remove them', async () => {
  await append('a', 3)
  await append('b', 1)
  expect(await rowIds('a')).toEqual(['a0', 'a1', 'a2'])
  expect(await rowIds('a', 2)).toEqual(['a0', 'a1'])
  expect((await take('b')).entries).toMatchObject([
    { id: '4', kind: '', accountId, attempts: 0, rowId: 'b0' },
  ])
})

test('a take ends where its bytes would be too many, but one entry comes however large', async () => {
  await append('a', 4, 'x'.repeat(98)) // 100 bytes each, as JSON
  expect(await rowIds('a', 500, 250)).toEqual(['a0', 'a1', 'a2'])
  expect(await rowIds('a', 500, 1)).toEqual(['a0'])
  expect(JSON.parse((await take('a')).entries[0]!.body.toString())).toBe('x'.repeat(98))
})

test('an entry is rolled back with the transaction that wrote it', async () => {
  const failed = db.transaction(accountId, async (tx) => {
    await appendFeed(tx, { lane, key: 'a' })
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  expect(await open()).toEqual([])
})

test('a key that could name another lane is refused', async () => {
  await expect(db.system((tx) => appendFeed(tx, { lane, key: 'a.b' }))).rejects.toMatchObject({
    failure: 'internal',
  })
})

test('a finished entry is gone, one put off comes back when its time has come, and no try is counted', async () => {
  await append('a', 2)
  await settle('a', [
    { id: '1', outcome: 'done' },
    { id: '2', laterMs: 60_000 },
  ])
  const { entries, nextDueMs } = await take('a')
  expect(entries).toEqual([])
  expect(nextDueMs).toBeGreaterThan(55_000)
  expect(nextDueMs).toBeLessThanOrEqual(60_000)
  await world.sql("update templates.feed_open set not_before = now() - interval '1 ms'")
  expect((await take('a')).entries).toMatchObject([{ id: '2', attempts: 0 }])
})

test('a failed entry waits longer after each try and is dead after three; its neighbours stay', async () => {
  await append('a', 2)
  for (let attempt = 1; attempt < laneSettings.maxTries; attempt++) {
    await settle('a', [{ id: '1', failure: `try ${attempt}` }], 10_000)
    const [row] = await world.sql(
      'select attempts, extract(epoch from not_before - now()) as seconds from templates.feed_open where id = 1',
    )
    expect(row!.attempts).toBe(attempt)
    expect(Math.round(Number(row!.seconds) / 10)).toBe(attempt)
    await world.sql('update templates.feed_open set not_before = now() where id = 1')
  }
  await settle('a', [{ id: '1', failure: 'try 3' }], 10_000)
  expect(await rowIds('a')).toEqual(['a1'])
  expect(await db.system((tx) => listDead(tx, '', 10))).toMatchObject([
    { lane, reason: 'try 3', entry: { id: '1', key: 'a', attempts: 3 } },
  ])
  expect(await db.system((tx) => feedCounts(tx, [lane]))).toMatchObject([
    { lane, open: 1, dead: 1 },
  ])
})

test('only failures in a row count: an entry that goes on in between lives', async () => {
  await append('a', 1)
  const due = () => world.sql("update templates.feed_open set not_before = now() - interval '1 ms'")
  for (let round = 0; round < 3; round++) {
    for (let failure = 1; failure < laneSettings.maxTries; failure++) {
      await settle('a', [{ id: '1', failure: 'a bad moment' }])
      await due()
    }
    await settle('a', [{ id: '1', laterMs: 1 }])
    await due()
  }
  expect((await take('a')).entries).toMatchObject([{ id: '1', attempts: 0 }])
})

test('settling again changes nothing: one failure is counted once, whoever repeats it', async () => {
  await append('a', 3)
  const settlements: WithoutKey[] = [
    { id: '1', outcome: 'done' },
    { id: '2', failure: 'bad' },
    { id: '3', laterMs: 60_000 },
  ]
  await settle('a', settlements, 10_000)
  const once = await open()
  await settle('a', settlements.slice(0, 2), 10_000)
  expect(await open()).toEqual(once)
  expect(once).toMatchObject([{ attempts: 1 }, { attempts: 0 }])
})

test("another lane's or key's worker can't settle an entry", async () => {
  await append('a', 1)
  await settle('b', [{ id: '1', outcome: 'done' }])
  await db.system((tx) => settleFeed(tx, 'campaigns.run', [{ id: '1', key: 'a', outcome: 'done' }]))
  expect(await rowIds('a')).toEqual(['a0'])
})

test('workers that settle the same entries in opposite order never deadlock', async () => {
  await append('a', 200)
  const ids = (await take('a')).entries.map((entry) => entry.id)
  const [before] = await world.sql(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  const put = (order: string[], laterMs: number) =>
    settle(
      'a',
      order.map((id) => ({ id, laterMs })),
    )
  await Promise.all(Array.from({ length: 20 }, (_, i) => put(i % 2 ? ids : ids.toReversed(), i)))
  const [after] = await world.sql(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  expect(after).toEqual(before)
})

/** Fails entries until they are dead. */
async function kill(key: string, ids: string[]): Promise<void> {
  for (let tries = 0; tries < laneSettings.maxTries; tries++) {
    await world.sql('update templates.feed_open set not_before = null')
    await settle(
      key,
      ids.map((id) => ({ id, failure: 'bad' })),
    )
  }
}

test('dead entries are opened again with their tries reset and in their place: those named, or all of the lane', async () => {
  await append('a', 3, { some: 'content' })
  await kill('a', ['1', '2', '3'])
  expect(await open()).toEqual([])
  expect(await db.system((tx) => replayDead(tx, lane, ['2']))).toEqual([
    { lane, key: 'a', id: '2', rowId: 'a1' },
  ])
  expect(await rowIds('a')).toEqual(['a1'])
  expect(await db.system((tx) => replayDead(tx, 'campaigns.run', []))).toEqual([])
  expect(await db.system((tx) => replayDead(tx, lane, []))).toHaveLength(2)
  const { entries } = await take('a')
  expect(entries.map((entry) => [entry.rowId, entry.attempts, entry.body.toString()])).toEqual(
    ['a0', 'a1', 'a2'].map((id) => [id, 0, '{"some":"content"}']),
  )
})

test('dead entries that are dismissed are gone, of their own lane and those named only', async () => {
  await append('a', 3)
  await kill('a', ['1', '2'])
  const dismiss = (of: Parameters<typeof dismissDead>[1], ids: string[]) =>
    db.system((tx) => dismissDead(tx, of, ids))
  expect(await dismiss('templates.sync', ['3'])).toEqual([])
  expect(await dismiss('campaigns.run', ['1'])).toEqual([])
  expect(await dismiss(lane, ['2'])).toMatchObject([{ id: '2', key: 'a', rowId: 'a1' }])
  expect((await db.system((tx) => listDead(tx, lane, 10))).map(({ entry }) => entry.id)).toEqual([
    '1',
  ])
  expect(await rowIds('a')).toEqual(['a2'])
})

test('the dead are listed newest first and never more at once than a call can carry', async () => {
  await append('a', 5, 'x')
  await kill('a', ['1', '2', '3', '4', '5'])
  await world.sql(`update templates.feed_dead set bytes = ${laneSettings.takeBytes / 2}`)
  const dead = await db.system((tx) => listDead(tx, lane, 10))
  expect(dead.map((row) => row.entry.id)).toEqual(['5', '4'])
})

test('an entry whose content is gone is still taken, so that its handler can fail it by name', async () => {
  await append('a', 1)
  const gone = sql`select null::bytea as content, null::text as app_id, null::timestamptz as as_of where false`
  const { entries } = await db.system((tx) => takeFeed(tx, { lane, partitions: everything }, gone))
  expect(entries).toMatchObject([{ id: '1', body: Buffer.alloc(0) }])
})

test('due partitions are found; those with later or no entries only are not', async () => {
  await append('a', 2)
  await append('b', 1)
  await append('later', 1)
  await world.sql(
    `update templates.feed_open set not_before = now() + interval '1 hour' where key = 'later'`,
  )
  await world.sql(`insert into templates.feed_open (lane, key) values ('campaigns.run', 'other')`)
  const due = await db.system((tx) => duePartitions(tx, lane))
  expect(due).toEqual([partitionOf(lane, 'a'), partitionOf(lane, 'b')].toSorted((a, b) => a - b))
})

/** Entries of an account's keys, by SQL: `each` of each key. */
const fill = (account: number, keys: number, each: number) =>
  world.sql(
    `insert into templates.feed_open (lane, key, account_id)
     select $1, $2 || '-' || k, ('0198c000-0000-7000-8000-00000000000' || $2)::uuid from generate_series(1, $4::int) n, generate_series(1, $3::int) k`,
    [lane, String(account), keys, each],
  )

test('a due entry is found behind thousands that are put off, soon, and at once where its time has come', async () => {
  await fill(1, 1, 3_000)
  await world.sql(`update templates.feed_open set not_before = now() + interval '1 hour'`)
  expect(await db.system((tx) => duePartitions(tx, lane))).toEqual([])
  await world.sql(`update templates.feed_open set not_before = now() where id = 3000`)
  expect(await db.system((tx) => duePartitions(tx, lane))).toEqual([partitionOf(lane, '1-1')])
  await world.sql(`delete from templates.feed_open where id = 3000`)
  await append('fresh', 1)
  expect(await db.system((tx) => duePartitions(tx, lane))).toEqual([partitionOf(lane, 'fresh')])
})

test('what a scrape costs has a bound: of each lane at most 10,000 open and dead entries are counted', async () => {
  await fill(1, 1, 10_500)
  await world.sql(`insert into templates.feed_dead (id, lane, key, kind, row_id, bytes, attempts, created_at, reason)
    select n, '${lane}', 'k', '', '', 0, 3, now(), 'no' from generate_series(1, 10500) n`)
  const read = async () => {
    const [row] = await world.sql<{ open: string; dead: string }>(`select
      (select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where schemaname = 'templates' and relname = 'feed_open') as open,
      (select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where schemaname = 'templates' and relname = 'feed_dead') as dead`)
    return row!
  }
  await db.system((tx) => sql`select pg_stat_force_next_flush()`.execute(tx.sql))
  const before = await read()
  expect(await db.system((tx) => feedCounts(tx, [lane]))).toMatchObject([
    { lane, open: 10_000, dead: 10_000 },
  ])
  const after = await until(async () => {
    await db.system((tx) => sql`select pg_stat_force_next_flush()`.execute(tx.sql))
    const now = await read()
    return Number(now.open) > Number(before.open) && now
  })
  expect(Number(after.open) - Number(before.open)).toBeLessThanOrEqual(10_000)
  expect(Number(after.dead) - Number(before.dead)).toBeLessThanOrEqual(10_000)
})

test("an entry's hash is the one that contracts compute from its key", async () => {
  const keys = ['a', '106540352242922', '0198c000-0000-7000-8000-000000000001', 'x'.repeat(128)]
  for (const key of keys) await append(key, 1)
  const rows = await world.sql<{ key: string; hash: number }>(
    'select key, key_hash as hash from templates.feed_open',
  )
  expect(Object.fromEntries(rows.map((row) => [row.key, row.hash]))).toEqual(
    Object.fromEntries(keys.map((key) => [key, hashOfKey(key)])),
  )
})

const accountsOf = (entries: { key: string }[]) => Map.groupBy(entries, (entry) => entry.key[0])

test('one take serves the accounts alike, and of an account its keys alike, whatever one of them has waiting', async () => {
  await fill(1, 40, 20)
  await fill(2, 1, 30)
  await fill(3, 2, 1)
  const { entries, more } = await takeAll()
  expect(entries).toHaveLength(laneSettings.takeEntries)
  expect(more).toBe(true)
  const of = accountsOf(entries)
  expect([of.get('2')!.length, of.get('3')!.length]).toEqual([30, 2])
  const each = [...Map.groupBy(of.get('1')!, (entry) => entry.key).values()].map(
    (its) => its.length,
  )
  expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1)
})

test('of each key the oldest entries are taken, in order, however many keys there are', async () => {
  await fill(1, 40, 30)
  const { entries } = await takeAll()
  for (const its of Map.groupBy(entries, (entry) => entry.key).values()) {
    const ids = its.map((entry) => Number(entry.id))
    expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    const open = await world.sql<{ id: string }>(
      'select id from templates.feed_open where key = $1 order by id limit $2',
      [its[0]!.key, ids.length],
    )
    expect(ids).toEqual(open.map((row) => Number(row.id)))
  }
})

test('keys and accounts that are left out are not taken, and no more keys than were asked for', async () => {
  await fill(1, 5, 2)
  await fill(2, 5, 2)
  const { entries } = await takeAll({
    exceptKeys: ['2-1'],
    exceptAccounts: ['0198c000-0000-7000-8000-000000000001'],
  })
  expect(new Set(entries.map((entry) => entry.key))).toEqual(new Set(['2-2', '2-3', '2-4', '2-5']))
  const few = await takeAll({ maxKeys: 4 })
  expect(few.more).toBe(true)
  expect(
    [...accountsOf(few.entries)].map(([, its]) => new Set(its.map((entry) => entry.key)).size),
  ).toEqual([2, 2])
})

test('with 10,000 keys of one account waiting, a key of another is taken within a few takes', async () => {
  await fill(1, 10_000, 1)
  await fill(2, 1, 1)
  let takes = 0
  for (let found = false; !found; takes++)
    found = (await takeAll()).entries.some((entry) => entry.key.startsWith('2-'))
  expect(takes).toBeLessThan(200)
})

test('what is left over is told: more of a key than a take gives it, and when the next is due', async () => {
  await fill(1, 1, 100)
  await fill(2, 249, 1)
  const first = await takeAll()
  expect(first.more).toBe(true)
  expect(accountsOf(first.entries).get('1')!.length).toBeLessThan(100)
  await world.sql(
    `delete from templates.feed_open where key <> '1-1'; update templates.feed_open set not_before = now() + interval '1 minute'`,
  )
  expect(await takeAll()).toMatchObject({
    entries: [],
    more: false,
    nextDueMs: expect.closeTo(60_000, -4),
  })
})
