import { query, sql } from '@lockstep/database'
import { openContext } from '@lockstep/service'
import { until, type World } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { adoptSlice } from '../src/db/adopt.ts'
import { dropDayTables, indexUnresolved } from '../src/db/day-tables.ts'
import { lockBodies, type PartPlace } from '../src/db/replay.ts'
import { maintainDayTables } from '../src/jobs/maintain-day-tables.ts'
import { webhookGatewayService } from '../src/service.ts'
import {
  bodyOf,
  message,
  openWorld,
  post,
  scale,
  startGateway,
  storedBodies,
  takeOf,
  untilKnown,
} from './gateway.ts'

const day = 86_400_000

type Result = { $case: 'outcome'; outcome: string } | { $case: 'failure'; failure: string }

/** Has a gateway of some days ago receive a body, and its worker say what became of it. */
function receiver({ world, app, config }: Awaited<ReturnType<typeof openWorld>>) {
  return async (daysAgo: number, text: string, result?: Result): Promise<void> => {
    await using gateway = await startGateway(config, { now: () => Date.now() - daysAgo * day })
    await untilKnown(gateway.origin, app)
    // Its first run makes the day tables of that time.
    await until(async () => {
      expect(await post(gateway.origin, app, bodyOf(message(text)))).toBe(200)
      return true
    })
    for (let tries = 0; result && tries < 3; tries++) {
      await world.sql('update webhook_gateway.feed_open set not_before = null')
      const entries = await takeOf(gateway.feed, 'webhooks.message', '1001')
      const settlements = entries
        .filter((e) => Buffer.from(e.body).includes(text))
        .map(({ id, key }) => ({ id, key, result }))
      await gateway.feed.settle({ lane: 'webhooks.message', settlements }, {})
    }
  }
}

test('bodies older than 7 days go; parts of them that still wait or are dead are kept with their bytes, and worked on as ever', async () => {
  await using here = await openWorld()
  const { world, app, config } = here

  const receive = receiver(here)
  const kept = async () =>
    (await storedBodies(world)).map((body) => /finished|open|dead|recent/.exec(body)![0]).toSorted()

  await receive(12, 'finished', { $case: 'outcome', outcome: 'done' })
  await receive(11, 'open')
  await receive(10, 'dead', { $case: 'failure', failure: 'no' })
  await receive(6, 'recent', { $case: 'outcome', outcome: 'done' })
  expect(await kept()).toEqual(['dead', 'finished', 'open', 'recent'])

  await using gateway = await startGateway(config)
  await until(async () => (await kept()).length < 2)
  expect(await kept()).toEqual(['recent'])
  const { counts } = await gateway.operator.countParts({}, {})
  expect(counts.map(({ outcome, parts }) => [outcome, parts])).toEqual([
    ['dead', 1],
    ['done', 1],
    ['open', 1],
  ])
  const { parts: listed } = await gateway.operator.listParts({}, {})
  expect(
    listed.map(({ outcome, content }) => [outcome, Buffer.from(content).includes('dead')]),
  ).toEqual([['dead', true]])

  // Both have their turn still, the dead one once it is replayed.
  expect(await gateway.feed.replay({ lane: 'webhooks.message' }, {})).toEqual({ replayed: 1 })
  const entries = await takeOf(gateway.feed, 'webhooks.message', '1001')
  expect(
    entries.map(({ body, appId }) => [/open|dead/.exec(Buffer.from(body).toString())![0], appId]),
  ).toEqual([
    ['open', app.id],
    ['dead', app.id],
  ])
  const settlements = entries.map(({ id, key }) => ({
    id,
    key,
    result: { $case: 'outcome' as const, outcome: 'done' },
  }))
  await gateway.feed.settle({ lane: 'webhooks.message', settlements }, {})
  const left = await world.sql(
    'select from webhook_gateway.webhook_parts_unresolved where outcome is null or outcome = $1',
    ['dead'],
  )
  expect(left).toEqual([])
})

test('a day that can not be dropped, and one of a tenant whose parts are dead, keep no day from being made', async () => {
  await using here = await openWorld()
  const { world, config } = here
  await using gateway = await startGateway(config)
  await world.sql(`create or replace function webhook_gateway.days_before(day date) returns setof date
    language sql as $$ select date '2001-01-01' $$`)
  await world.sql(`drop table ${(await lastDays(world)).join(', ')}`)
  await until(async () => (await lastDays(world)).length === 3)
  await until(
    async () =>
      (await gateway.metric('lockstep_webhook_day_table_failures_total', { step: 'index' })) > 0,
  )
})

/** Tables of the last day that bodies can be received into. */
async function lastDays(world: World): Promise<string[]> {
  const last = new Date(Date.now() + 7 * day).toISOString().slice(0, 10).replaceAll('-', '')
  const rows = await world.sql<{ name: string }>(
    `select 'webhook_gateway.' || relname as name from pg_class where relkind = 'r' and relnamespace = 'webhook_gateway'::regnamespace and relname like '%' || $1`,
    [last],
  )
  return rows.map(({ name }) => name)
}

/** A world with one no_connection part of a day that is to go next, and a context in which the job waits for locks as long as the test takes. */
async function openOldDay() {
  await using up = new AsyncDisposableStack()
  const here = up.use(await openWorld())
  const { world, app, config } = here
  {
    await using gateway = await startGateway(config, { now: () => Date.now() - 10 * day })
    await untilKnown(gateway.origin, app)
    await until(
      async () => (await post(gateway.origin, app, bodyOf(message('early', '1009')))) === 200,
    )
  }
  const ctx = up.use(await openContext<Context>(webhookGatewayService, config, { scale }))
  // The days before it go first: to wait for them is to wait for this one's readers, too.
  await maintainDayTables({ ...ctx, now: () => Date.now() - 3 * day })
  const [old] = await world.sql<{ day: string }>(
    'select received_at::date::text as day from webhook_gateway.webhook_parts',
  )
  await ctx.db.system((tx) => indexUnresolved(tx, old!.day))
  await world.sql(`alter function webhook_gateway.drop_day_tables set lock_timeout = '30s'`)
  const parts = () =>
    world.sql<{ outcome: string | null }>('select outcome from webhook_gateway.webhook_parts')
  const waits = async () =>
    (
      await world.sql(`select from pg_locks l join pg_database d on d.oid = l.database
        where d.datname = current_database() and l.mode = 'AccessExclusiveLock' and not l.granted`)
    ).length > 0
  const opened = up.move()
  return { world, app, ctx, parts, waits, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

test('whether a day is still needed is asked of an index, while all others wait for the answer', async () => {
  await using here = await openOldDay()
  const { world, ctx } = here
  const [{ day: old, suffix }] = (await world.sql<{ day: string; suffix: string }>(
    "select received_at::date::text as day, to_char(received_at at time zone 'UTC', 'YYYYMMDD') as suffix from webhook_gateway.webhook_parts",
  )) as [{ day: string; suffix: string }]
  await world.sql('update webhook_gateway.webhook_parts set outcome = null')
  const scans = async () => {
    const [row] = await world.sql<{ table: number; index: number }>(
      `select seq_scan::int as table, coalesce((select idx_scan::int from pg_stat_user_indexes i where i.relid = t.relid and i.indexrelname like '%unresolved'), 0) as index
       from pg_stat_user_tables t where relname = 'webhook_parts_' || $1`,
      [suffix],
    )
    return row!
  }
  const flushed = () =>
    ctx.db.system((tx) => sql`select pg_stat_force_next_flush()`.execute(tx.sql))
  await flushed()
  const before = await scans()
  expect(await ctx.db.system((tx) => dropDayTables(tx, old))).toBe(false)
  await until(async () => {
    await flushed()
    return (await scans()).index > before.index
  })
  expect((await scans()).table).toBe(before.table)
})

test('a part that is being adopted while its day is dropped is kept', async () => {
  await using here = await openOldDay()
  const { app, ctx, parts } = here
  expect(await parts()).toEqual([{ outcome: 'no_connection' }])
  const adopted = Promise.withResolvers<void>()
  const commit = Promise.withResolvers<void>()
  const adoption = ctx.db.system(async (tx) => {
    await adoptSlice(
      tx,
      {
        appId: app.id,
        accountId: app.accountId,
        phoneNumberIds: ['1009'],
        wabaIds: [],
        at: new Date(),
        intervals: [],
      },
      '0',
    )
    adopted.resolve()
    await commit.promise
  })
  await adopted.promise
  const kept = maintainDayTables(ctx)
  await until(here.waits)
  commit.resolve()
  await Promise.all([adoption, kept])
  expect(await parts()).toEqual([{ outcome: null }])
  await maintainDayTables(ctx)
  expect(await parts()).toEqual([])
  expect(
    await here.world.sql('select outcome from webhook_gateway.webhook_parts_unresolved'),
  ).toEqual([{ outcome: null }])
})

test('who goes on from a part to its body while old days are dropped gets it, and the day goes afterwards', async () => {
  await using here = await openOldDay()
  const { ctx, parts } = here
  const found = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  let tries = 0
  const stored = (await parts()).length
  const read = ctx.db.system(async (tx) => {
    tries += 1
    const places = await query<PartPlace>(
      tx,
      sql`select id::text, app_id as "appId", body_id as "bodyId", received_at as "receivedAt" from webhook_parts`,
    )
    found.resolve()
    await goOn.promise
    return lockBodies(tx, places)
  })
  await found.promise
  const kept = maintainDayTables(ctx)
  await until(here.waits)
  goOn.resolve()
  const [bodies] = await Promise.all([read, kept])
  // A deadlock would end the job, or begin the reader's transaction again.
  expect([tries, bodies.length]).toEqual([1, stored])
  expect(await parts()).toEqual([])
})
