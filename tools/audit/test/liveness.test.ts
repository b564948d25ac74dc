import { consumerName, instances, locks, partitionOf } from '@lockstep/contracts'
import { createLocks } from '@lockstep/locks'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { type ConsistentWorld, consistentWorld } from './consistent-world.ts'
import { complaints, stillSending, testPlanted } from './planted.ts'

// That the work goes on: nothing waits that nobody will take, and nothing is held that nobody will give back.
testPlanted([
  {
    invariant: 'L1',
    what: 'a campaign that nobody works on',
    plant: ({ sql }) => sql(`update campaigns.campaigns set state = 'sending', finished_at = null`),
    row: ({ ids }) => ({ problem: 'has no entry in its lane', campaign_id: ids.campaign }),
  },
  {
    invariant: 'L1',
    what: 'a campaign whose entry is dead',
    plant: (world) => stillSending(world, 'no such template'),
    row: ({ ids }) => ({
      problem: 'its entry is dead: no such template',
      campaign_id: ids.campaign,
    }),
  },
  {
    invariant: 'L1',
    what: 'a campaign that gets nothing done although somebody is due',
    async plant(world) {
      await stillSending(world)
      await queueAgain(world, `now() - interval '1 minute'`)
      await unchangedFor(world, 1)
    },
    settled: 1,
    row: ({ ids }) => ({
      problem: 'gets nothing done',
      campaign_id: ids.campaign,
      due: 1,
      later: 0,
    }),
  },
  {
    invariant: 'L1',
    what: 'a campaign whose list does not grow',
    async plant(world) {
      await stillSending(world)
      await world.sql(`update campaigns.campaigns set state = 'preparing'`)
      await unchangedFor(world, 1)
    },
    settled: 1,
    row: ({ ids }) => ({
      problem: 'gets nothing done',
      campaign_id: ids.campaign,
      campaign_state: 'preparing',
    }),
  },
  {
    invariant: 'L1',
    what: 'a completed campaign in which somebody still waits',
    async plant(world) {
      await queueAgain(world, `'-infinity'`)
    },
    settled: 1,
    row: ({ ids }) => ({
      problem: 'is completed although somebody waits',
      campaign_id: ids.campaign,
      due: 1,
    }),
  },
  {
    invariant: 'L1',
    what: 'a campaign that never says that it is done',
    async plant(world) {
      await stillSending(world)
      await unchangedFor(world, 1)
    },
    settled: 1,
    row: ({ ids }) => ({
      problem: 'gets nothing done',
      campaign_id: ids.campaign,
      due: 0,
      later: 0,
      under_way: 0,
    }),
  },
  {
    invariant: 'L2',
    what: 'a feed entry that nobody takes',
    plant: ({ sql }) =>
      sql(
        `insert into campaigns.feed_open (lane, key, created_at) values ('contacts.identity-updates', 'a', now() - interval '1 minute')`,
      ),
    row: () => ({ table: 'campaigns.feed_open', of: 'contacts.identity-updates a' }),
  },
  {
    invariant: 'L3',
    what: 'a lock that never runs out',
    plant: ({ redis, ids }) =>
      redis.set(locks.campaign_send.key(ids.campaign), `campaigns-1.ab:cd@${Date.now()}`),
    row: ({ ids }) => ({ problem: 'never runs out', key: `campaign_send:${ids.campaign}` }),
  },
  {
    invariant: 'L3',
    what: 'a lock with more time than its table gives it',
    plant: ({ redis, ids }) =>
      redis.set(
        locks.campaign_send.key(ids.campaign),
        `campaigns-1.ab:cd@${Date.now()}`,
        'PX',
        120_000,
      ),
    row: () => ({ problem: 'runs out later than its table says', table_ttl_ms: 60_000 }),
  },
  {
    invariant: 'L3',
    what: 'a lock of a stranger, which others have to wait for',
    plant: ({ redis, ids }) =>
      redis.set(locks.campaign_send.key(ids.campaign), 'mine', 'PX', 60_000),
    row: () => ({
      problem: 'its owner is not of our format: nobody can take it over',
      owner: 'mine',
    }),
  },
  {
    invariant: 'L3',
    what: 'a life sign that outlives its process',
    plant: ({ redis }) => redis.set(instances.key('campaigns-1.ab'), '1'),
    row: () => ({ problem: 'never runs out', key: 'instance:campaigns-1.ab' }),
  },
  {
    invariant: 'L3',
    what: 'a lock that a living process never gives back',
    async plant({ redis, ids }) {
      await redis.set(instances.key('campaigns-1.ab'), '1', 'PX', instances.ttlMs)
      await redis.set(
        locks.campaign_send.key(ids.campaign),
        `campaigns-1.ab:cd@${Date.now()}`,
        'PX',
        60_000,
      )
    },
    settled: 1,
    row: ({ ids }) => ({
      problem: 'is held on to for 1.0 s although nothing is left to do',
      key: `campaign_send:${ids.campaign}`,
    }),
  },
  {
    invariant: 'L4',
    what: 'a wake-up that nobody answers',
    async plant({ messaging, ids }) {
      messaging.wake('campaigns.run', ids.campaign)
      await messaging.flush()
    },
    settled: 1,
    row: ({ ids }) => ({
      stream: 'CAMPAIGNS',
      consumer: consumerName('campaigns.run', partitionOf('campaigns.run', ids.campaign)),
      pending: 1,
      unacknowledged: 0,
    }),
  },
])

/** Waits until the campaign has not changed for a little longer than so many seconds. */
async function unchangedFor({ sql }: ConsistentWorld, seconds: number): Promise<void> {
  const isOld = `select pg_xact_commit_timestamp(xmin) < clock_timestamp() - interval '${seconds + 0.1} s' as old from campaigns.campaigns`
  await until(async () => (await sql<{ old: boolean }>(isOld))[0]!.old)
}

/** A person ordered to write once more to the third recipient, at a time. */
async function queueAgain({ sql }: ConsistentWorld, notBefore: string): Promise<void> {
  await sql(
    `update campaigns.recipients set state = 'queued', not_before = ${notBefore} where id = 3`,
  )
  await sql('update campaigns.campaign_statistics set queued = 1, unknown = 0')
}

test('a campaign whose list still grows is no violation', async () => {
  await using world = await consistentWorld()
  await stillSending(world)
  await world.sql(`update campaigns.campaigns set state = 'preparing'`)
  await unchangedFor(world, 3)
  await world.sql('update campaigns.recipients set run_id = gen_random_uuid() where id = 3')
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
})

test('a campaign that waits, was ordered to go on or has just claimed somebody is no violation', async () => {
  await using world = await consistentWorld()
  await stillSending(world)
  await queueAgain(world, `'-infinity'`)
  expect(complaints(await world.audit({ only: ['L1'] }))).toEqual({}) // its state was changed a moment ago
  await unchangedFor(world, 3)
  expect(Object.keys(complaints(await world.audit({ only: ['L1'], settled: 3 })))).toEqual(['L1'])
  await queueAgain(world, `now() + interval '1 minute'`)
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
  await queueAgain(world, 'now()')
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
  await queueAgain(world, `'-infinity'`)
  await world.sql('update campaigns.attempts set claimed_at = now() where id = 2')
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
})

/** Waits until the audit looks at Redis or NATS again and again: its snapshot is open and rows are not asked for. */
async function looksAgain({ sql }: ConsistentWorld): Promise<void> {
  const waits = `select from pg_stat_activity where datname = current_database() and application_name = 'lockstep-audit'
                   and state = 'idle in transaction' and state_change < clock_timestamp() - interval '0.5 s'`
  await until(async () => (await sql(waits)).length > 0)
}

test('a lock that is given back while the audit looks is no violation', async () => {
  await using world = await consistentWorld()
  await using holder = await createLocks({ redis: world.redis, instanceId: 'campaigns-1' })
  const lock = await holder.hold('campaign_send', world.ids.campaign)
  const looking = world.audit({ only: ['L3'] })
  await looksAgain(world)
  await lock.release()
  const { invariants } = await looking
  expect(complaints({ invariants })).toEqual({})
  expect(invariants[0]!.ms).toBeGreaterThan(400)
})

test('a wake-up that is answered while the audit looks is no violation', async () => {
  await using world = await consistentWorld()
  world.messaging.wake('campaigns.run', world.ids.campaign)
  await world.messaging.flush()
  const looking = world.audit({ only: ['L4'] })
  await looksAgain(world)
  await using _worker = await world.messaging.consumeLane('campaigns.run', {
    onAssigned: ({ release }) => void release(),
    onWakeUp: () => undefined,
  })
  world.messaging.wake('campaigns.run', world.ids.campaign)
  const { invariants } = await looking
  expect(complaints({ invariants })).toEqual({})
  expect(invariants[0]!.ms).toBeGreaterThan(400)
})
