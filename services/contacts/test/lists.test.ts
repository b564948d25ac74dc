import { randomUUID } from 'node:crypto'
import { withClient } from '@lockstep/database'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import {
  ended,
  file,
  inbound,
  prepareContacts,
  startContacts,
  type TestContacts,
  updateIdentities,
} from './fixtures.ts'

test('lists that take up every connection of the service keep no check waiting, and end in words', {
  timeout: 60_000,
}, async () => {
  await using system = await startContacts()
  const { contacts, call, world } = system
  const [id] = await inbound(system, { waId: '4915100000001' })
  await withClient(world.adminUrl, async (client) => {
    await client.query('begin; lock table contacts.contact_tags in access exclusive mode')
    const lists = Array.from({ length: 2 * system.config.poolSize }, () =>
      contacts.listContacts({ tag: 'x', after: '', limit: 1 }, { accountId: randomUUID() }),
    )
    const settled = Promise.allSettled(lists)
    await until(async () => {
      const [waiting] = await world.sql<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where usename = 'contacts' and wait_event_type = 'Lock'`,
      )
      return waiting!.n === system.config.poolSize
    })
    const check = await contacts.checkSendable(
      { contactIds: [id!], category: 'MARKETING' },
      { ...call, timeoutMs: 4_000 },
    )
    expect(check.results[0]).toMatchObject({ refusal: '' })
    const [first] = await settled
    expect(first).toMatchObject({
      reason: { failure: 'timeout', message: expect.stringContaining('took longer than 5 s') },
    })
  })
})

const n = 40_000
const account = randomUUID()
/** Contacts of one account, all with a tag and some with a rare one, and what they said. */
async function seed({ world }: TestContacts): Promise<void> {
  const person = `'4915' || (100000000 + i) as number, ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid as id from generate_series(1, ${n}) i`
  await world.sql(`
    insert into contacts.contacts (id, account_id, phone, wa_id, source) select p.id, '${account}', number, number, 'import' from (select ${person}) p;
    insert into contacts.identities (account_id, namespace, kind, match_key, contact_id)
      select '${account}', 'number', 'phone', number, p.id from (select ${person}) p;
    insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
      select '${account}', 'number', number, p.id, kind, 'word', number, now() from (select ${person}) p, unnest('{opt_in,opt_out}'::text[]) kind;
    insert into contacts.contact_tags select '${account}'::uuid, tag, p.id from (select i, ${person}) p,
      lateral (select 'all' as tag union all select 'rare' where i % 4000 = 1) t`)
  for (const table of grown) await world.sql(`vacuum analyze ${table}`)
}
const grown = [
  'contacts.contacts',
  'contacts.identities',
  'contacts.consents',
  'contacts.contact_tags',
]

test('no call, lane or import reads a table from end to end', { timeout: 120_000 }, async () => {
  await using system = await prepareContacts()
  await seed(system)
  const scans = () =>
    system.world.sql(
      `select relname, seq_scan::int as scans from pg_stat_user_tables where schemaname || '.' || relname = any($1) order by 1`,
      [grown],
    )
  const before = await scans()
  {
    await using _service = await system.start()
    const call = { accountId: account }
    const { contacts } = system
    const tenant = { contacts, call }
    await until(() => contacts.listContacts({ tag: '', after: '', limit: 200 }, call))
    const rare = (await contacts.listContacts({ tag: 'rare', after: '', limit: 200 }, call))
      .contacts
    expect(rare).toHaveLength(10)
    await contacts.listContacts({ tag: 'all', after: rare[4]!.id, limit: 200 }, call)
    const audience = []
    for await (const batch of contacts.streamAudience(
      { filter: { tags: ['rare', 'all'] }, category: 'MARKETING' },
      call,
    ))
      audience.push(...batch.contacts)
    expect(audience).toHaveLength(n)
    const ids = audience.slice(0, 500).map((contact) => contact.id)
    expect(
      (await contacts.checkSendable({ contactIds: ids, category: 'MARKETING' }, call)).results[499],
    ).toMatchObject({ refusal: '' })
    const known = audience
      .slice(0, 500)
      .map(({ waId }, i) => ({ waId, text: i % 3 ? 'stop' : 'hello', wamid: `w${i}` }))
    expect(await inbound(tenant, ...known)).toEqual(ids)
    await inbound(
      tenant,
      { waId: '4930100000001', userId: 'DE.new' },
      { waId: known[0]!.waId, userId: 'DE.new' },
    )
    await contacts.recordConsent({ contactId: ids[1]!, kind: 'block', evidence: '' }, call)
    await contacts.getContact({ id: ids[2]! }, call)
    const rows = known.map(({ waId }, i) => `+${waId},${i % 2 ? 'yes' : ''},one;two`)
    const { id } = await contacts.createImport(
      file(`phone,opted_out,tags\n+4930100000002,,three\n${rows.join('\n')}\n`),
      call,
    )
    expect(await ended(tenant, id)).toMatchObject({ state: 'done', created: 1, updated: 500 })
    await updateIdentities(system, { accountId: account, contactId: ids[3]!, userId: 'DE.named' })
    await contacts.recordRefusals(
      {
        refusals: [
          {
            accountId: account,
            contactId: ids[3]!,
            waId: known[4]!.waId,
            userId: '',
            code: 131050,
            atMs: 1_000,
          },
        ],
      },
      {},
    )
    await until(async () => (await contacts.getContact({ id: ids[3]! }, call)).userId !== '')
  }
  // The service has closed its connections, and with that its statistics are complete.
  expect(await scans()).toEqual(before)
})
