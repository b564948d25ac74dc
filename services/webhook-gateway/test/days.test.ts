import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { createContext } from '../src/context.ts'
import { claimParts } from '../src/db/reopen.ts'
import { keepDays } from '../src/jobs/keep-days.ts'
import { bodyOf, message, openWorld, post, scale, startGateway, storedBodies, untilKnown } from './gateway.ts'

const day = 86_400_000

test('bodies older than 7 days go, unless a part of their day still waits or is dead', async () => {
  await using here = await openWorld()
  const { world, app, config } = here

  /** A gateway of some days ago receives a body, and its worker says what became of it. */
  async function receive(
    daysAgo: number,
    text: string,
    verdict?: { $case: 'outcome'; outcome: string } | { $case: 'failure'; failure: string },
  ) {
    await using gateway = await startGateway(config, { now: () => Date.now() - daysAgo * day })
    await untilKnown(gateway.origin, app)
    // Its first run makes the partitions of that time.
    await until(async () => {
      expect(await post(gateway.origin, app, bodyOf(message(text)))).toBe(200)
      return true
    })
    const where = { subscriber: 'webhooks.message', key: '1001' }
    for (let tries = 0; verdict && tries < 3; tries++) {
      await world.sql('update webhook_gateway.feed_open set not_before = null')
      const { entries } = await gateway.feed.take({ ...where, maxEntries: 500, maxBytes: 2_000_000 }, {})
      const verdicts = entries.filter((e) => Buffer.from(e.body).includes(text)).map(({ id }) => ({ id, verdict }))
      await gateway.feed.finish({ ...where, verdicts }, {})
    }
  }
  const kept = async () => (await storedBodies(world)).map((body) => /finished|open|dead|recent/.exec(body)![0]).toSorted()

  await receive(12, 'finished', { $case: 'outcome', outcome: 'done' })
  await receive(11, 'open')
  await receive(10, 'dead', { $case: 'failure', failure: 'no' })
  await receive(6, 'recent', { $case: 'outcome', outcome: 'done' })
  expect(await kept()).toEqual(['dead', 'finished', 'open', 'recent'])

  await using gateway = await startGateway(config)
  await until(async () => (await kept()).length < 4)
  expect(await kept()).toEqual(['dead', 'open', 'recent'])
  const { counts } = await gateway.operator.countParts({}, {})
  expect(counts.map(({ outcome, parts }) => [outcome, parts])).toEqual([
    ['dead', 1],
    ['done', 1],
    ['open', 1],
  ])
})

test('a day whose part is being claimed while old days are dropped is kept', async () => {
  await using here = await openWorld()
  const { world, app, config } = here
  await using ctx = await createContext(config, { scale })
  const parts = () => world.sql<{ outcome: string | null }>('select outcome from webhook_gateway.webhook_parts')
  {
    await using gateway = await startGateway(config, { now: () => Date.now() - 10 * day })
    await untilKnown(gateway.origin, app)
    await until(async () => (await post(gateway.origin, app, bodyOf(message('early')))) === 200)
    const where = { subscriber: 'webhooks.message', key: '1001' }
    const { entries } = await gateway.feed.take({ ...where, maxEntries: 1, maxBytes: 1 }, {})
    const verdict = { $case: 'outcome' as const, outcome: 'unclaimed' }
    await gateway.feed.finish({ ...where, verdicts: [{ id: entries[0]!.id, verdict }] }, {})
  }
  expect(await parts()).toEqual([{ outcome: 'unclaimed' }])
  // The days before it go first: to wait for them is to wait for the claim, too.
  await keepDays({ ...ctx, now: () => Date.now() - 3 * day })
  // The job gives up half a second later; here it waits for as long as the test takes.
  await world.sql(`alter function webhook_gateway.keep_days set lock_timeout = '30s'`)

  const claimed = Promise.withResolvers<void>()
  const commit = Promise.withResolvers<void>()
  const claim = ctx.db.system(async (tx) => {
    await claimParts(tx, { appId: app.id, phoneNumberId: '1001', wabaId: 'waba1', at: new Date() })
    claimed.resolve()
    await commit.promise
  })
  await claimed.promise
  const kept = keepDays(ctx)
  await until(async () => (await world.sql('select from pg_locks where not granted')).length > 0)
  commit.resolve()
  await Promise.all([claim, kept])
  expect(await parts()).toEqual([{ outcome: null }])
})
