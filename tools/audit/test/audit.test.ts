import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { instances, locks } from '@lockstep/contracts'
import { createLocks } from '@lockstep/locks'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { AuditReport } from '../src/index.ts'
import { type ConsistentWorld, consistentWorld, number, people, status, wamid } from './consistent-world.ts'

/** What a report complains about: each violated invariant with its rows. */
function complaints(report: AuditReport): Record<string, Record<string, unknown>[]> {
  return Object.fromEntries(report.invariants.filter((result) => result.violations > 0).map(({ id, rows }) => [id, rows]))
}

const all = ['I1', 'I2', 'I3', 'I4', 'I6', 'I7', 'I8', 'I10', 'I11', 'I12', 'L1', 'L2', 'L3', 'L4']

test('a world in which all is right has no violation, and everything was looked at', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit()
  expect(complaints({ invariants })).toEqual({})
  expect(invariants.map(({ id }) => id)).toEqual(all)
  expect(invariants.filter(({ checked }) => checked === 0)).toEqual([])
  expect(invariants.filter(({ notChecked }) => notChecked).map(({ id }) => id)).toEqual(['I8', 'I12'])
})

test('without an address, what needs it is reported as not checked', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit({ redisUrl: undefined, natsUrl: undefined, only: ['L3', 'L4'] })
  expect(invariants).toMatchObject([
    { id: 'L3', checked: 0, notChecked: 'it needs the address of Redis' },
    { id: 'L4', checked: 0, notChecked: 'it needs the address of NATS' },
  ])
})

test('without a log, what needs it is reported as not checked', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit({ simulatorLog: undefined })
  expect(invariants.filter((result) => result.notChecked?.includes('log')).map(({ id }) => id)).toEqual([
    'I1',
    'I2',
    'I3',
    'I4',
    'I7',
    'I8',
    'I11',
  ])
  await expect(world.audit({ simulatorLog: '/nowhere' })).rejects.toThrow('no simulator log at /nowhere')
})

interface Planted {
  invariant: string
  what: string
  plant(world: ConsistentWorld): Promise<unknown>
  /** The audit looks again for this many seconds, instead of for half a minute. */
  settled?: number
  /** What the first offending row says. */
  row(world: ConsistentWorld): object
}

const plantings: Planted[] = [
  {
    invariant: 'I1',
    what: 'an attempt that Meta accepted twice',
    plant: (world) => world.log(world.post(3, { wamid: 'wamid.again' })),
    row: () => ({ problem: 'accepted 2 times', attempt_id: 3, wamids: [wamid(3), 'wamid.again'] }),
  },
  {
    invariant: 'I1',
    what: 'a further attempt after one that was accepted',
    async plant({ sql }) {
      await sql(`update campaigns.attempts set recipient_id = 1, number = 2 where id = 2`)
    },
    row: () => ({ problem: 'further attempt after one that was accepted and did not fail', attempt_id: 2, recipient_id: 1 }),
  },
  {
    invariant: 'I2',
    what: 'an accepted attempt whose POST Meta never saw',
    async plant({ sql }) {
      await sql(`update campaigns.attempts set outcome = 'accepted', wamid = 'wamid.invented' where id = 3`)
      await sql(`update campaigns.recipients set state = 'accepted' where id = 3`)
      await sql(`update campaigns.campaign_statistics set accepted = 3, unknown = 0`)
    },
    row: () => ({ problem: 'its wamid is no accepted POST', attempt_id: 3, wamid: 'wamid.invented' }),
  },
  {
    invariant: 'I3',
    what: 'an accepted POST whose attempt is not sent',
    async plant({ sql }) {
      await sql(`update campaigns.attempts set outcome = 'not_sent' where id = 3`)
      await sql(`update campaigns.recipients set state = 'queued' where id = 3`)
      await sql(`update campaigns.campaign_statistics set queued = 1, unknown = 0`)
    },
    row: () => ({ problem: 'its attempt is not_sent', wamid: wamid(3) }),
  },
  {
    invariant: 'I3',
    what: 'an accepted POST without a token',
    plant: (world) => world.log(world.post(3, { wamid: 'wamid.stray', callback: 'order-17' })),
    row: () => ({ problem: 'its token names no attempt', wamid: 'wamid.stray', token: 'order-17' }),
  },
  {
    invariant: 'I4',
    what: 'an element that was answered 200 and not stored',
    plant: ({ log }) =>
      log({
        kind: 'delivery',
        id: 'd9',
        appId: '1',
        attempt: 1,
        startedAtMs: Date.now(),
        httpStatus: 200,
        elements: [{ wamid: wamid(1), status: 'sent', phoneNumberId: number }],
      }),
    row: () => ({ problem: 'answered 200 2 times, stored 1 times', element: `status sent ${wamid(1)}` }),
  },
  {
    invariant: 'I4',
    what: 'a status that was handled without an effect',
    plant: (world) => world.webhook([status(2, 'read')], { outcome: 'unmatched' }),
    row: () => ({ problem: 'has no effect', element: `status read ${wamid(2)}` }),
  },
  {
    invariant: 'I4',
    what: 'an inbound message that two conversations hold',
    plant: ({ sql, ids }) =>
      sql(`insert into conversations.messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, payload, received_at)
           select account_id, conversation_id, '${ids.otherConnection}', wamid, direction, type, text, at, payload, received_at from conversations.messages`),
    row: () => ({ problem: 'has 2 effects', element: 'message wamid.in-1' }),
  },
  {
    invariant: 'I4',
    what: 'a part that waits in no lane',
    plant: (world) => world.webhook([status(2, 'read')], { outcome: null }),
    row: () => ({ problem: 'waits in no lane', part_id: 4 }),
  },
  {
    invariant: 'I6',
    what: 'a counter that is one too high',
    plant: ({ sql }) => sql('update campaigns.campaign_statistics set delivered = 2'),
    row: ({ ids }) => ({ campaign_id: ids.campaign, counter: 'delivered', counted: 2, recount: 1 }),
  },
  {
    invariant: 'I7',
    what: 'a marketing message that was claimed after the stop of its recipient',
    async plant(world) {
      await optOut(world)
      await claimAnew(world)
    },
    row: ({ ids }) => ({ attempt_id: 2, contact_id: ids.contacts[1], kind: 'opt_out', via: 'word' }),
  },
  {
    invariant: 'I8',
    what: 'more POSTs in a second than the number may send',
    async plant(world) {
      await world.sql('update accounts.connections set per_second = 2')
    },
    row: ({ ids }) => ({ connection_id: ids.connection, limit: 'per second', allowed: 2, requests: 3 }),
  },
  {
    invariant: 'I8',
    what: 'more template lists in a minute than the connections of a WABA may ask for',
    // Two connections, and one list was there before.
    plant: ({ log }) => log(...Array.from({ length: 20 }, () => ({ kind: 'template-list', wabaId: 'waba' }) as const)),
    row: () => ({ waba_id: 'waba', limit: 'template lists per minute', allowed: 20, requests: 21 }),
  },
  {
    invariant: 'I10',
    what: 'two live contacts with one number',
    plant: ({ sql, ids }) =>
      sql(`update contacts.contacts set wa_id = '${people[0]}' where id in ('${ids.contacts[0]}', '${ids.contacts[1]}')`),
    row: () => ({ problem: 'two live contacts with the same number', identity: people[0] }),
  },
  {
    invariant: 'I10',
    what: 'a recipient whose contact is gone',
    async plant({ sql }) {
      await sql(`update campaigns.recipients set contact_id = '00000000-0000-4000-8000-000000000000' where id = 3`)
    },
    row: ({ ids }) => ({ problem: 'campaigns.recipients 3 names a contact that does not exist', account_id: ids.account }),
  },
  {
    invariant: 'I11',
    what: "a conversation with another account's contact",
    async plant({ sql, ids }) {
      await sql(`update conversations.conversations set account_id = '${ids.other}'`)
      await sql(`update conversations.messages set account_id = '${ids.other}'`)
    },
    row: ({ ids }) => ({ column: 'conversations.conversations.connection_id', account_id: ids.other, its_account_id: ids.account }),
  },
  {
    invariant: 'I11',
    what: "a POST by a number that is not its campaign's",
    async plant({ sql, ids }) {
      await sql(`update campaigns.campaigns set connection_id = '${ids.otherConnection}'`)
    },
    row: () => ({ column: 'POST 2', row: '1', names: number }),
  },
  {
    invariant: 'I12',
    what: 'two imports of one account that run at a time',
    async plant({ sql, ids }) {
      await sql('drop index contacts.imports_running')
      await sql(`insert into contacts.imports (id, account_id, file_name, state, total_bytes, created_at)
                 select gen_random_uuid(), '${ids.account}', 'people.csv', 'running', 10, now() from generate_series(1, 2)`)
    },
    row: ({ ids }) => ({ account_id: ids.account, running: 2 }),
  },
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
    row: ({ ids }) => ({ problem: 'its entry is dead: no such template', campaign_id: ids.campaign }),
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
    row: ({ ids }) => ({ problem: 'gets nothing done', campaign_id: ids.campaign, due: 1, later: 0 }),
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
    row: ({ ids }) => ({ problem: 'gets nothing done', campaign_id: ids.campaign, campaign_state: 'preparing' }),
  },
  {
    invariant: 'L1',
    what: 'a campaign that never says that it is done',
    async plant(world) {
      await stillSending(world)
      await unchangedFor(world, 1)
    },
    settled: 1,
    row: ({ ids }) => ({ problem: 'gets nothing done', campaign_id: ids.campaign, due: 0, later: 0, under_way: 0 }),
  },
  {
    invariant: 'L2',
    what: 'a feed entry that nobody takes',
    plant: ({ sql }) =>
      sql(`insert into campaigns.feed_open (subscriber, key, created_at) values ('contacts.learn', 'a', now() - interval '1 minute')`),
    row: () => ({ table: 'campaigns.feed_open', of: 'contacts.learn a' }),
  },
  {
    invariant: 'L3',
    what: 'a lock that never runs out',
    plant: ({ redis, ids }) => redis.set(locks.campaign_send.key(ids.campaign), `campaigns-1.ab:cd@${Date.now()}`),
    row: ({ ids }) => ({ problem: 'never runs out', key: `campaign_send:${ids.campaign}` }),
  },
  {
    invariant: 'L3',
    what: 'a lock with more time than its table gives it',
    plant: ({ redis, ids }) => redis.set(locks.campaign_send.key(ids.campaign), `campaigns-1.ab:cd@${Date.now()}`, 'PX', 120_000),
    row: () => ({ problem: 'runs out later than its table says', table_ttl_ms: 60_000 }),
  },
  {
    invariant: 'L3',
    what: 'a lock of a stranger, which others have to wait for',
    plant: ({ redis, ids }) => redis.set(locks.campaign_send.key(ids.campaign), 'mine', 'PX', 60_000),
    row: () => ({ problem: 'its owner is not of our format: nobody can take it over', owner: 'mine' }),
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
      await redis.set(locks.campaign_send.key(ids.campaign), `campaigns-1.ab:cd@${Date.now()}`, 'PX', 60_000)
    },
    settled: 1,
    row: ({ ids }) => ({ problem: 'is held on to for 1.0 s although nothing is left to do', key: `campaign_send:${ids.campaign}` }),
  },
  {
    invariant: 'L4',
    what: 'a doorbell that nobody answers',
    async plant({ messaging, ids }) {
      messaging.ring('campaigns.run', ids.campaign)
      await messaging.flush()
    },
    settled: 1,
    row: ({ ids }) => ({ stream: 'CAMPAIGNS', consumer: `campaigns-run-${ids.campaign}`, pending: 1, unacknowledged: 0 }),
  },
]

/** The campaign is being sent since an hour, with an entry in its lane; `reason` is that of a dead one. */
async function stillSending({ sql, ids }: ConsistentWorld, reason = ''): Promise<void> {
  const since = `now() - interval '1 hour'`
  await sql(`update campaigns.attempts set claimed_at = ${since}`)
  await sql(`update campaigns.campaigns set state = 'sending', finished_at = null, started_at = ${since}`)
  await sql(`insert into campaigns.feed_open (subscriber, key, kind, account_id, created_at, not_before, dead_reason)
             values ('campaigns.run', '${ids.campaign}', 'started', '${ids.account}', ${since}, now() + interval '1 minute', nullif('${reason}', ''))`)
}

/** Waits until the campaign has not changed for a little longer than so many seconds. */
async function unchangedFor({ sql }: ConsistentWorld, seconds: number): Promise<void> {
  const isOld = `select pg_xact_commit_timestamp(xmin) < clock_timestamp() - interval '${seconds + 0.1} s' as old from campaigns.campaigns`
  await until(async () => (await sql<{ old: boolean }>(isOld))[0]!.old)
}

/** A person ordered to write once more to the third recipient, at a time. */
async function queueAgain({ sql }: ConsistentWorld, notBefore: string): Promise<void> {
  await sql(`update campaigns.recipients set state = 'queued', not_before = ${notBefore} where id = 3`)
  await sql('update campaigns.campaign_statistics set queued = 1, unknown = 0')
}

/** The second recipient says stop, by a word. */
function optOut({ sql, ids }: ConsistentWorld): Promise<unknown> {
  return sql(`insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
    values ('${ids.account}', 'number', '${people[1]}', '${ids.contacts[1]}', 'opt_out', 'word', 'wamid.stop', now())`)
}

/** Makes the second recipient's claim one of now, longer after all consents than commits are told apart. */
async function claimAnew({ sql }: ConsistentWorld): Promise<void> {
  const isLate = "select bool_and(clock_timestamp() > recorded_at + interval '1.1 s') as late from contacts.consents"
  await until(async () => (await sql<{ late: boolean }>(isLate))[0]!.late)
  await sql('update campaigns.attempts set claim_xid = pg_current_xact_id() where id = 2')
}

test.each(plantings)('$invariant names $what', async ({ invariant, plant, row, settled = true }) => {
  await using world = await consistentWorld()
  await plant(world)
  const found = complaints(await world.audit({ settled }))
  expect(Object.keys(found)).toEqual([invariant])
  expect(found[invariant]![0]).toMatchObject(row(world))
})

test('what is still under way is no violation', async () => {
  await using world = await consistentWorld()
  await world.sql(`update campaigns.attempts set outcome = 'sending', claimed_at = now() where id = 3`)
  await world.sql(`update campaigns.recipients set state = 'sending' where id = 3`)
  await world.sql('update campaigns.campaign_statistics set sending = 1, unknown = 0')
  await world.webhook([status(2, 'read')], { outcome: null })
  await world.sql(`insert into webhook_gateway.feed_open (subscriber, key, row_id) values ('webhooks.campaign', 'key', '4')`)
  expect(complaints(await world.audit())).toEqual({})
})

test('a campaign whose list still grows is no violation', async () => {
  await using world = await consistentWorld()
  await stillSending(world)
  await world.sql(`update campaigns.campaigns set state = 'preparing'`)
  await unchangedFor(world, 3)
  await world.sql('update campaigns.recipients set run_id = gen_random_uuid() where id = 3')
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
})

test('a system at work may send, hold locks and ring', async () => {
  await using world = await consistentWorld()
  await using holder = await createLocks({ redis: world.redis, instanceId: 'campaigns-1' })
  await using _lock = await holder.hold('campaign_send', world.ids.campaign)
  world.messaging.ring('campaigns.run', world.ids.campaign)
  await world.messaging.flush()
  await stillSending(world)
  const { invariants } = await world.audit({ settled: false })
  expect(complaints({ invariants })).toEqual({})
  expect(invariants.map(({ id }) => id)).toEqual(all.filter((id) => !['L1', 'L2', 'L4'].includes(id)))
})

test('a campaign that waits, was ordered to go on or has just claimed somebody is no violation', async () => {
  await using world = await consistentWorld()
  await stillSending(world)
  await queueAgain(world, 'null')
  expect(complaints(await world.audit({ only: ['L1'] }))).toEqual({}) // its state was changed a moment ago
  await unchangedFor(world, 3)
  expect(Object.keys(complaints(await world.audit({ only: ['L1'], settled: 3 })))).toEqual(['L1'])
  await queueAgain(world, `now() + interval '1 minute'`)
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
  await queueAgain(world, 'now()')
  expect(complaints(await world.audit({ only: ['L1'], settled: 3 }))).toEqual({})
  await queueAgain(world, 'null')
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

test('a doorbell that is answered while the audit looks is no violation', async () => {
  await using world = await consistentWorld()
  world.messaging.ring('campaigns.run', world.ids.campaign)
  await world.messaging.flush()
  const looking = world.audit({ only: ['L4'] })
  await looksAgain(world)
  await using _worker = await world.messaging.workLane('campaigns.run', async () => 'ack')
  world.messaging.ring('campaigns.run', world.ids.campaign)
  const { invariants } = await looking
  expect(complaints({ invariants })).toEqual({})
  expect(invariants[0]!.ms).toBeGreaterThan(400)
})

test('a stop that came after the claim, or was taken back before it, is no violation', async () => {
  await using world = await consistentWorld()
  await optOut(world)
  expect(complaints(await world.audit({ only: ['I7'] }))).toEqual({})
  await world.sql(`insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
    select account_id, namespace, match_key, contact_id, 'opt_in', 'word', 'wamid.start', said_at + interval '1 second' from contacts.consents`)
  await claimAnew(world)
  expect(complaints(await world.audit({ only: ['I7'] }))).toEqual({})
})

test('a system at work is never accused: rows that are newer than the log, and a log that is newer than the rows', async () => {
  await using world = await consistentWorld()
  const { sql, ids } = world
  let sending = true
  const sends = (async () => {
    for (let n = 4; sending; n++) {
      // The order in which the platform works: claim, POST, outcome; each committed before the next begins.
      await sql(`insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, fence)
                 values ('${ids.account}', '${ids.campaign}', ${n}, 1, 1)`)
      await world.log(world.post(n))
      await sql(`update campaigns.attempts set outcome = 'accepted', wamid = '${wamid(n)}' where id = ${n}`)
    }
  })()
  for (let round = 0; round < 15; round++) expect(complaints(await world.audit({ only: ['I1', 'I2', 'I3'] }))).toEqual({})
  sending = false
  await sends
})

test('the program prints the offending row, says by its exit code that there is one, and needs all servers of a running system', async () => {
  await using world = await consistentWorld()
  const ready = `${world.ready.simulator_log}.ready.json`
  await writeFile(ready, JSON.stringify(world.ready))
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [path.resolve(import.meta.dirname, '../main.ts'), '--ready', ready, ...args], { encoding: 'utf8' })
  expect(run('--settled')).toMatchObject({ status: 0, stdout: expect.stringContaining('No violations') })
  await world.sql('update campaigns.campaign_statistics set delivered = 2')
  const printed = run()
  expect(printed).toMatchObject({ status: 1, stdout: expect.stringContaining('counter=delivered  counted=2  recount=1') })
  expect(printed.stdout).not.toContain('\u001b[')
  expect(JSON.parse(run('--json', '--only', 'I6').stdout)).toMatchObject({ invariants: [{ id: 'I6', violations: 1 }] })
  await writeFile(ready, JSON.stringify({ ...world.ready, redis: 'redis://127.0.0.1:1', nats: 'nats://127.0.0.1:1' }))
  expect(run('--only', 'L3')).toMatchObject({ status: 2, stderr: "Redis does not answer at 127.0.0.1:1: L3 can't be checked\n" })
  expect(run('--only', 'L4')).toMatchObject({ status: 2, stderr: "NATS does not answer at 127.0.0.1:1: L4 can't be checked\n" })
  await rm(ready)
  expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('npm start') })
})
