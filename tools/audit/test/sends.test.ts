import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { type ConsistentWorld, consistentWorld, number, people, wamid } from './consistent-world.ts'
import { complaints, testPlanted } from './planted.ts'

// What Meta was asked to send against what the platform knows of it: the attempts, the stops and the limits.
testPlanted([
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
    row: () => ({
      problem: 'further attempt after one that was accepted and did not fail',
      attempt_id: 2,
      recipient_id: 1,
    }),
  },
  {
    invariant: 'I2',
    what: 'an accepted attempt whose POST Meta never saw',
    async plant({ sql }) {
      await sql(
        `update campaigns.attempts set outcome = 'accepted', wamid = 'wamid.invented' where id = 3`,
      )
      await sql(`update campaigns.recipients set state = 'accepted' where id = 3`)
      await sql(`update campaigns.campaign_statistics set accepted = 3, unknown = 0`)
    },
    row: () => ({
      problem: 'its wamid is no accepted POST',
      attempt_id: 3,
      wamid: 'wamid.invented',
    }),
  },
  {
    invariant: 'I3',
    what: 'an accepted POST whose attempt is not sent',
    async plant({ sql }) {
      await sql(`update campaigns.attempts set outcome = 'not_sent' where id = 3`)
      await sql(`update campaigns.recipients set state = 'queued', not_before = now() where id = 3`)
      await sql(`update campaigns.campaign_statistics set queued = 1, unknown = 0`)
      await sql(`update campaigns.campaigns set state = 'paused', finished_at = null`)
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
    invariant: 'I7',
    what: 'a marketing message that was claimed after the stop of its recipient',
    async plant(world) {
      await optOut(world)
      await claimAnew(world)
    },
    row: ({ ids }) => ({
      attempt_id: 2,
      contact_id: ids.contacts[1],
      kind: 'opt_out',
      via: 'word',
    }),
  },
  {
    invariant: 'I8',
    what: 'more POSTs in a second than the number may send',
    async plant(world) {
      await world.sql('update accounts.connections set per_second = 2')
    },
    row: ({ ids }) => ({
      connection_id: ids.connection,
      limit: 'per second',
      allowed: 2,
      requests: 3,
    }),
  },
  {
    invariant: 'I8',
    what: 'more template lists in a minute than the connections of a WABA may ask for',
    // Two connections, and one list was there before.
    plant: ({ log }) =>
      log(
        ...Array.from({ length: 20 }, () => ({ kind: 'template-list', wabaId: 'waba' }) as const),
      ),
    row: () => ({ waba_id: 'waba', limit: 'template lists per minute', allowed: 20, requests: 21 }),
  },
])

test('a stop that came after the claim, or was taken back before it, is no violation', async () => {
  await using world = await consistentWorld()
  await optOut(world)
  expect(complaints(await world.audit({ only: ['I7'] }))).toEqual({})
  await world.sql(`insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
    select account_id, namespace, match_key, contact_id, 'opt_in', 'word', 'wamid.start', said_at + interval '1 second' from contacts.consents`)
  await claimAnew(world)
  expect(complaints(await world.audit({ only: ['I7'] }))).toEqual({})
})

/** The second recipient says stop, by a word. */
function optOut({ sql, ids }: ConsistentWorld): Promise<unknown> {
  return sql(`insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
    values ('${ids.account}', 'number', '${people[1]}', '${ids.contacts[1]}', 'opt_out', 'word', 'wamid.stop', now())`)
}

/** Makes the second recipient's claim one of now, longer after all consents than commits are told apart. */
async function claimAnew({ sql }: ConsistentWorld): Promise<void> {
  const isLate =
    "select bool_and(clock_timestamp() > recorded_at + interval '1.1 s') as late from contacts.consents"
  await until(async () => (await sql<{ late: boolean }>(isLate))[0]!.late)
  await sql('update campaigns.attempts set claim_xid = pg_current_xact_id() where id = 2')
}

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
      await sql(
        `update campaigns.attempts set outcome = 'accepted', wamid = '${wamid(n)}' where id = ${n}`,
      )
    }
  })()
  for (let round = 0; round < 15; round++)
    expect(complaints(await world.audit({ only: ['I1', 'I2', 'I3'] }))).toEqual({})
  sending = false
  await sends
})

/** The second recipient says something to the campaign's number, in a webhook that was answered 200 so long before the claim of their message. */
async function says(
  { sql, webhook, ids }: ConsistentWorld,
  text: string,
  secondsBefore: number,
  outcome: string | null,
): Promise<void> {
  const said = {
    from: people[1],
    timestamp: String(1_764_000_000 - secondsBefore),
    type: 'text',
    text: { body: text },
  }
  await webhook([{ id: `wamid.${text}.${secondsBefore}`, ...said }], {
    lane: 'webhooks.message',
    outcome,
  })
  const [claim] = await sql<{ at: Date }>(
    'select pg_xact_commit_timestamp(claim_xid::xid) as at from campaigns.attempts where id = 2',
  )
  const at = new Date(claim!.at.getTime() - secondsBefore * 1_000)
  await sql(
    `with body as (update webhook_gateway.webhook_bodies set received_at = $1
                   where id = (select body_id from webhook_gateway.webhook_parts order by id desc limit 1))
     update webhook_gateway.webhook_parts set received_at = $1, key = $2, app_id = $3 where id = (select max(id) from webhook_gateway.webhook_parts)`,
    [at, number, ids.app],
  )
}

const consentComplaints = async (world: ConsistentWorld) =>
  complaints(await world.audit({ only: ['I7'] })).I7 ?? []

test.each([null, 'dead', 'no_connection', 'done'])(
  'I7 names a marketing message that was claimed more than 30 s after the 200 of a stop whose part is %s, and none that was claimed sooner',
  async (outcome) => {
    await using world = await consistentWorld()
    await says(world, 'STOP', 29, outcome)
    expect(await consentComplaints(world)).toEqual([])
    await says(world, 'STOP', 31, outcome)
    const stop = { kind: 'opt_out', via: 'word', evidence: 'wamid.STOP.31' }
    expect(await consentComplaints(world)).toMatchObject([
      { attempt_id: 2, contact_id: world.ids.contacts[1], ...stop },
    ])
  },
)

test('a stop that was taken back before, or whose part belongs to nobody or was given up, accuses nobody', async () => {
  await using world = await consistentWorld()
  await says(world, 'STOP', 60, 'wrong_app')
  await says(world, 'STOP', 50, 'dismissed')
  expect(await consentComplaints(world)).toEqual([])
  await says(world, 'STOP', 40, null)
  expect(await consentComplaints(world)).toHaveLength(1)
  await says(world, 'START', 35, null)
  expect(await consentComplaints(world)).toEqual([])
})

test('what came before a number was connected counts for it from that moment', async () => {
  await using world = await consistentWorld()
  await says(world, 'STOP', 10, 'no_connection')
  expect(await consentComplaints(world)).toEqual([])
  await world.sql(`update accounts.connection_intervals set connected_at = (select pg_xact_commit_timestamp(claim_xid::xid) - interval '1 s'
    from campaigns.attempts where id = 2) where phone_number_id = '${number}'`)
  expect(await consentComplaints(world)).toMatchObject([
    { attempt_id: 2, kind: 'opt_out', evidence: 'wamid.STOP.10' },
  ])
})

test('a template whose category is not known counts as marketing', async () => {
  await using world = await consistentWorld()
  await says(world, 'STOP', 40, null)
  await world.log(
    world.post(2, { template: { name: 'spring', language: 'en_US', category: 'NEWS' } } as never),
  )
  expect(await consentComplaints(world)).toHaveLength(2)
  await world.log(
    world.post(2, { template: { name: 'code', language: 'en_US', category: 'AUTHENTICATION' } }),
  )
  expect(await consentComplaints(world)).toHaveLength(2)
})
