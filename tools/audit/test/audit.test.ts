import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { AuditReport } from '../src/index.ts'
import { type ConsistentWorld, consistentWorld, number, people, status, wamid } from './consistent-world.ts'

/** What a report complains about: each violated invariant with its rows. */
function complaints(report: AuditReport): Record<string, Record<string, unknown>[]> {
  return Object.fromEntries(report.invariants.filter((result) => result.violations > 0).map(({ id, rows }) => [id, rows]))
}

const all = ['I1', 'I2', 'I3', 'I4', 'I6', 'I7', 'I8', 'I10', 'I11', 'L2']

test('a world in which all is right has no violation, and everything was looked at', async () => {
  await using world = await consistentWorld()
  const { invariants } = await world.audit()
  expect(complaints({ invariants })).toEqual({})
  expect(invariants.map(({ id }) => id)).toEqual(all)
  expect(invariants.filter(({ checked }) => checked === 0)).toEqual([])
  expect(invariants.filter(({ notChecked }) => notChecked).map(({ id }) => id)).toEqual(['I8'])
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
    row: ({ ids }) => ({ connection_id: ids.connection, limit: 'per second', allowed: 2, posts: 3 }),
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
    invariant: 'L2',
    what: 'a feed entry that nobody takes',
    plant: ({ sql }) =>
      sql(`insert into campaigns.feed_open (subscriber, key, created_at) values ('contacts.learn', 'a', now() - interval '1 minute')`),
    row: () => ({ table: 'campaigns.feed_open', of: 'contacts.learn a' }),
  },
]

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

test.each(plantings)('$invariant names $what', async ({ invariant, plant, row }) => {
  await using world = await consistentWorld()
  await plant(world)
  const found = complaints(await world.audit())
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

test('the program prints the offending row, says by its exit code that there is one, and needs a running system', async () => {
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
  await rm(ready)
  expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('npm start') })
})
