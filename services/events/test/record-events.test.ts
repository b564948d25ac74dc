import { randomUUID } from 'node:crypto'
import type { EventContent } from '@lockstep/contracts'
import { sql } from '@lockstep/database'
import type { FeedEntry } from '@lockstep/feeds'
import { openContext } from '@lockstep/service'
import { createWorld, type World } from '@lockstep/testing'
import { configIn } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { maintainDays } from '../src/jobs/maintain-days.ts'
import { recordEvents } from '../src/lanes/record-events.ts'
import { listEvents } from '../src/rpc/list-events.ts'
import { eventsService } from '../src/service.ts'

const up = new AsyncDisposableStack()
let world: World
/** Three as three processes have them: each with connections of its own. */
let processes: Context[]

beforeAll(async () => {
  world = up.use(await createWorld())
  const opened = [1, 2, 3].map(() =>
    openContext<Context>(eventsService, configIn(world, eventsService)),
  )
  processes = (await Promise.all(opened)).map((ctx) => up.use(ctx))
})
afterAll(() => up.disposeAsync())

const lease = {} as never
let lastEntry = 0

const content = (subjectId: string): EventContent => ({
  kind: 'campaign.state',
  subjectId,
  body: { state: 'sending', reason: '' },
})

function entry(accountId: string, contents: EventContent[], asOfMs = Date.now()): FeedEntry {
  const body = Buffer.from(JSON.stringify(contents))
  const id = String(++lastEntry)
  return { ...{ id, key: accountId, kind: '', accountId, rowId: '' }, ...{ body, asOfMs }, ...none }
}
const none = { attempts: 0, appId: '' }

const record = (ctx: Context, entries: FeedEntry[], source = 'events.campaigns' as const) =>
  recordEvents(source)(ctx, entries, lease)

const read = async (accountId: string, after = '', limit = 500) => {
  const request = { topics: ['campaigns', 'templates'], after, limit }
  const { events } = await listEvents(processes[0]!, request, { accountId } as never)
  return events
}

test('a reader who goes on from the last id skips none and sees none twice, while several processes record', async () => {
  const accountId = randomUUID()
  const perWriter = 60
  let writing = processes.length
  const write = async (ctx: Context, n: number) => {
    for (let i = 0; i < perWriter; i++) {
      const subjects = [`${n}-${i}-a`, `${n}-${i}-b`].map(content)
      await record(ctx, [entry(accountId, subjects)])
    }
    writing--
  }
  const seen: string[] = []
  const follow = async () => {
    for (let after = ''; ; ) {
      const isLast = writing === 0
      const page = await read(accountId, after, 7)
      seen.push(...page.map(({ subjectId }) => subjectId))
      after = page.at(-1)?.id ?? after
      if (isLast && page.length === 0) return
    }
  }
  await Promise.all([follow(), ...processes.map(write)])
  const all = processes.flatMap((_, n) =>
    Array.from({ length: perWriter }, (_, i) => [`${n}-${i}-a`, `${n}-${i}-b`]).flat(),
  )
  expect(seen.toSorted()).toEqual(all.toSorted())
  const ids = (await read(accountId)).map(({ id }) => Number(id))
  expect(ids).toEqual(Array.from({ length: all.length }, (_, i) => i + 1))
})

test('an entry that comes again, or to two workers at once, is recorded once; ids go on without a gap', async () => {
  const [mine, other] = [randomUUID(), randomUUID()]
  const first = entry(mine, [content('one'), content('two')])
  const both = [first, entry(other, [content('three')])]
  await Promise.all(processes.map((ctx) => record(ctx, both)))
  await record(processes[0]!, [first, entry(mine, [content('four')])])
  const listed = (await read(mine)).map(({ id, subjectId }) => [id, subjectId])
  expect(listed).toEqual([
    ['1', 'one'],
    ['2', 'two'],
    ['3', 'four'],
  ])
  expect((await read(other)).map(({ id, subjectId }) => [id, subjectId])).toEqual([['1', 'three']])
})

test('a day that is kept no longer is dropped, and what comes later for it is passed over', async () => {
  const accountId = randomUUID()
  const [ctx] = processes as [Context]
  await maintainDays(ctx)
  const daysAgo = (days: number) => Date.now() - days * 86_400_000
  const old = entry(accountId, [content('old')], daysAgo(7))
  await record(ctx, [old, entry(accountId, [content('new')])])
  expect((await read(accountId)).map(({ subjectId }) => subjectId)).toEqual(['old', 'new'])

  await maintainDays({ ...ctx, config: { ...ctx.config, eventRetentionDays: 6 } })
  expect((await read(accountId)).map(({ subjectId }) => subjectId)).toEqual(['new'])
  await record(ctx, [entry(accountId, [content('older')], daysAgo(9))])
  expect((await read(accountId)).map(({ id }) => id)).toEqual(['2'])
})

test('rows of another account are not seen, also not through the table of a day', async () => {
  const accountId = randomUUID()
  const [ctx] = processes as [Context]
  await record(ctx, [entry(accountId, [content('one')])])
  expect(await read(randomUUID())).toEqual([])
  const [day] = await world.sql<{ name: string }>(
    `select tableoid::regclass::text as name from events.events where account_id = $1`,
    [accountId],
  )
  const rows = await ctx.db.transaction(accountId, (tx) =>
    sql`select * from ${sql.raw(day!.name)}`.execute(tx.sql),
  )
  expect(rows.rows).toEqual([])
})
