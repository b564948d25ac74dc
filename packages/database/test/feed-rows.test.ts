import { laneSettings } from '@lockstep/contracts'
import { createWorld, type World } from '@lockstep/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  appendFeed,
  type Database,
  dueKeys,
  type FeedVerdict,
  feedCounts,
  listDead,
  openDatabase,
  replayDead,
  settleFeed,
  sql,
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
beforeEach(() => world.sql('truncate templates.feed_open restart identity'))

const append = (key: string, count: number, body?: unknown) =>
  db.transaction(accountId, async (tx) => {
    for (let i = 0; i < count; i++) await appendFeed(tx, { lane, key, rowId: `${key}${i}`, body })
  })
const take = (key: string, entries = 500, bytes = 2_000_000) => db.system((tx) => takeFeed(tx, lane, key, entries, bytes))
const settle = (key: string, verdicts: FeedVerdict[], retryMs = 0) => db.system((tx) => settleFeed(tx, lane, key, verdicts, retryMs))
const rowIds = async (...args: Parameters<typeof take>) => (await take(...args)).entries.map((entry) => entry.rowId)
const open = () => world.sql('select id, attempts, dead_reason, not_before from templates.feed_open order by id')

test('entries are taken in the order they were written, of their own key only, and taking does not remove them', async () => {
  await append('a', 3)
  await append('b', 1)
  expect(await rowIds('a')).toEqual(['a0', 'a1', 'a2'])
  expect(await rowIds('a', 2)).toEqual(['a0', 'a1'])
  expect((await take('b')).entries).toMatchObject([{ id: '4', kind: '', accountId, attempts: 0, rowId: 'b0' }])
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
  await expect(db.system((tx) => appendFeed(tx, { lane, key: 'a.b' }))).rejects.toMatchObject({ failure: 'internal' })
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
  for (let attempt = 1; attempt <= laneSettings.maxTries; attempt++) {
    await settle('a', [{ id: '1', failure: `try ${attempt}` }], 10_000)
    const [row] = await world.sql(
      'select attempts, extract(epoch from not_before - now()) as seconds from templates.feed_open where id = 1',
    )
    expect(row!.attempts).toBe(attempt)
    expect(Math.round(Number(row!.seconds) / 10)).toBe(attempt)
    await world.sql('update templates.feed_open set not_before = now() where id = 1')
  }
  expect(await rowIds('a')).toEqual(['a1'])
  expect(await db.system((tx) => listDead(tx, '', 10))).toMatchObject([
    { lane, key: 'a', reason: 'try 3', entry: { id: '1', attempts: 3 } },
  ])
  expect(await db.system(feedCounts)).toMatchObject([{ lane, open: 1, dead: 1 }])
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
  const verdicts: FeedVerdict[] = [
    { id: '1', outcome: 'done' },
    { id: '2', failure: 'bad' },
    { id: '3', laterMs: 60_000 },
  ]
  await settle('a', verdicts, 10_000)
  const once = await open()
  await settle('a', verdicts.slice(0, 2), 10_000)
  expect(await open()).toEqual(once)
  expect(once).toMatchObject([{ attempts: 1 }, { attempts: 0 }])
})

test("another lane's or key's worker can't settle an entry", async () => {
  await append('a', 1)
  await settle('b', [{ id: '1', outcome: 'done' }])
  await db.system((tx) => settleFeed(tx, 'campaigns.run', 'a', [{ id: '1', outcome: 'done' }]))
  expect(await rowIds('a')).toEqual(['a0'])
})

test('workers that settle the same entries in opposite order never deadlock', async () => {
  await append('a', 200)
  const ids = (await take('a')).entries.map((entry) => entry.id)
  const [before] = await world.sql('select deadlocks from pg_stat_database where datname = current_database()')
  const put = (order: string[], laterMs: number) =>
    settle(
      'a',
      order.map((id) => ({ id, laterMs })),
    )
  await Promise.all(Array.from({ length: 20 }, (_, i) => put(i % 2 ? ids : ids.toReversed(), i)))
  const [after] = await world.sql('select deadlocks from pg_stat_database where datname = current_database()')
  expect(after).toEqual(before)
})

test('dead entries are opened again with their tries reset: those named, or all of the lane', async () => {
  await append('a', 3)
  await world.sql("update templates.feed_open set dead_reason = 'bad', attempts = 3, not_before = now() + interval '1 hour'")
  expect(await db.system((tx) => replayDead(tx, lane, ['2']))).toEqual([{ lane, key: 'a', id: '2' }])
  expect(await rowIds('a')).toEqual(['a1'])
  expect(await db.system((tx) => replayDead(tx, 'campaigns.run', []))).toEqual([])
  expect(await db.system((tx) => replayDead(tx, lane, []))).toHaveLength(2)
  expect((await take('a')).entries.map((entry) => [entry.rowId, entry.attempts])).toEqual([
    ['a0', 0],
    ['a1', 0],
    ['a2', 0],
  ])
})

test('the dead are listed newest first and never more at once than a call can carry', async () => {
  await append('a', 5, 'x')
  await world.sql(`update templates.feed_open set dead_reason = 'bad', bytes = ${laneSettings.takeBytes / 2}`)
  const dead = await db.system((tx) => listDead(tx, lane, 10))
  expect(dead.map((row) => row.entry.id)).toEqual(['5', '4'])
})

test('an entry whose content is gone is still taken, so that its handler can fail it by name', async () => {
  await append('a', 1)
  const gone = sql`select null::bytea as content, null::text as app_id, null::timestamptz as as_of where false`
  const { entries } = await db.system((tx) => takeFeed(tx, lane, 'a', 500, 1_000, gone))
  expect(entries).toMatchObject([{ id: '1', body: Buffer.alloc(0) }])
})

test('all due keys are found page by page; keys with dead or later entries only are not', async () => {
  await world.sql(
    `insert into templates.feed_open (subscriber, key) select '${lane}', 'k' || lpad(n::text, 2, '0') from generate_series(1, 25) n, generate_series(1, 3)`,
  )
  await world.sql(`insert into templates.feed_open (subscriber, key, not_before) values ('${lane}', 'later', now() + interval '1 hour')`)
  await world.sql(`insert into templates.feed_open (subscriber, key, dead_reason) values ('${lane}', 'dead', 'bad')`)
  await world.sql(`insert into templates.feed_open (subscriber, key) values ('campaigns.run', 'other')`)
  const found: string[] = []
  for (let after: Awaited<ReturnType<typeof dueKeys>>[number] | undefined; ; ) {
    const page = await db.system((tx) => dueKeys(tx, 10, { after }))
    found.push(...page.map((due) => due.key))
    if (page.length < 10) break
    after = page.at(-1)
  }
  expect(found).toEqual(['other', ...Array.from({ length: 25 }, (_, i) => `k${String(i + 1).padStart(2, '0')}`)])
  expect(await db.system((tx) => dueKeys(tx, 10, { lane: 'campaigns.run' }))).toMatchObject([{ lane: 'campaigns.run', key: 'other' }])
})
