import { expect, test } from 'vitest'
import { consistentWorld, number, people, status, wamid } from './consistent-world.ts'
import { complaints, testPlanted } from './planted.ts'

// What the services keep: each webhook has its effect once, counters equal their rows, references hold.
testPlanted([
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
    row: () => ({
      problem: 'answered 200 2 times, stored 1 times',
      element: `status sent ${wamid(1)}`,
    }),
  },
  {
    invariant: 'I4',
    what: 'a status that was handled without an effect',
    plant: (world) => world.webhook([status(2, 'read')], { outcome: 'no_match' }),
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
    invariant: 'I10',
    what: 'two live contacts with one number',
    plant: ({ sql, ids }) =>
      sql(
        `update contacts.contacts set wa_id = '${people[0]}' where id in ('${ids.contacts[0]}', '${ids.contacts[1]}')`,
      ),
    row: () => ({ problem: 'two live contacts with the same number', identity: people[0] }),
  },
  {
    invariant: 'I10',
    what: 'a recipient whose contact is gone',
    async plant({ sql }) {
      await sql(
        `update campaigns.recipients set contact_id = '00000000-0000-4000-8000-000000000000' where id = 3`,
      )
    },
    row: ({ ids }) => ({
      problem: 'campaigns.recipients 3 names a contact that does not exist',
      account_id: ids.account,
    }),
  },
  {
    invariant: 'I11',
    what: "a conversation with another account's contact",
    async plant({ sql, ids }) {
      await sql(`update conversations.conversations set account_id = '${ids.other}'`)
      await sql(`update conversations.messages set account_id = '${ids.other}'`)
    },
    row: ({ ids }) => ({
      column: 'conversations.conversations.connection_id',
      account_id: ids.other,
      its_account_id: ids.account,
    }),
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
    invariant: 'I14',
    what: 'an event that an enabled webhook endpoint never gets',
    plant: ({ sql, ids }) => sql(plantedEndpoint(ids.account)),
    row: ({ ids }) => ({
      account_id: ids.account,
      event: '1',
      wrong: expect.stringMatching(/no delivery/),
    }),
  },
  {
    invariant: 'I14',
    what: 'a delivery that nobody is going to post',
    async plant({ sql, ids }) {
      await sql(plantedEndpoint(ids.account))
      await sql(`insert into events.webhook_deliveries (endpoint_id, event_id, account_id, topic, kind, subject_id, occurred_at, next_at)
        select w.id, e.id, e.account_id, e.topic, e.kind, e.subject_id, e.occurred_at, now()
        from events.events e join events.webhook_endpoints w on w.account_id = e.account_id`)
    },
    row: () => ({ event: '1', wrong: expect.stringMatching(/pending without work/) }),
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
    invariant: 'I13',
    what: 'a campaign that was sent while Meta let nobody be written to first',
    async plant({ sql, ids }) {
      const columns =
        'connection_id, account_id, waba_id, type, violation, remediation, ends_at, event_at, noted_at'
      await sql(`insert into accounts.restrictions (${columns})
        select id, account_id, waba_id, type, '', '', null, now() - interval '1 hour', now() - interval '1 hour'
        from accounts.connections, unnest('{RESTRICTED_BIZ_INITIATED_MESSAGING, RESTRICTED_BUSINESS_INITIATED_CALLING}'::text[]) type
        where id = '${ids.connection}'`)
    },
    row: ({ ids }) => ({ campaign_id: ids.campaign, attempts: 3 }),
  },
])

test('a campaign that a person has ordered to go on since, and one that was sent before or after a restriction, is no violation', async () => {
  await using world = await consistentWorld()
  const restrict = (notedAt: string, endsAt: string) =>
    world.sql(`insert into accounts.restrictions (connection_id, account_id, waba_id, type, violation, remediation, ends_at, event_at, noted_at)
      select id, account_id, waba_id, 'RESTRICTED_BIZ_INITIATED_MESSAGING', '', '', ${endsAt}, ${notedAt}, ${notedAt} from accounts.connections
      on conflict (connection_id, waba_id, type) do update set noted_at = excluded.noted_at, ends_at = excluded.ends_at`)
  await restrict(`now() - interval '2 hours'`, `now() - interval '1 hour'`)
  expect(complaints(await world.audit())).toEqual({})
  await restrict(`now() + interval '1 second'`, 'null')
  expect(complaints(await world.audit())).toEqual({})
  await restrict(`now() - interval '1 hour'`, 'null')
  await world.sql(`update campaigns.campaigns set resumed_at = now() - interval '30 minutes'`)
  expect(complaints(await world.audit())).toEqual({})
})

test('what is still under way is no violation', async () => {
  await using world = await consistentWorld()
  await world.sql(
    `update campaigns.attempts set outcome = 'sending', claimed_at = now() where id = 3`,
  )
  await world.sql(`update campaigns.recipients set state = 'sending' where id = 3`)
  await world.sql('update campaigns.campaign_statistics set sending = 1, unknown = 0')
  await world.webhook([status(2, 'read')], { outcome: null })
  await world.sql(
    `insert into webhook_gateway.feed_open (lane, key, row_id) values ('webhooks.campaign', 'key', '4')`,
  )
  expect(complaints(await world.audit())).toEqual({})
})

/** An endpoint that is to get all events of an account. */
const plantedEndpoint = (account: string) => `
  insert into events.webhook_endpoints (id, account_id, url, description, topics, sealed_secret, follows_after, created_at)
    values (gen_random_uuid(), '${account}', 'https://example.com', '', '{campaigns}', '', 0, now())`
