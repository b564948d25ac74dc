import path from 'node:path'
import { services } from '@lockstep/contracts'
import { withClient } from '@lockstep/database'
import { loadMigrations } from '@lockstep/system'
import { startTestServers, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import { grownCalls } from '../../tools/bench/src/growth-calls.ts'
import { type Grown, grownSizes, seedGrown } from '../../tools/bench/src/growth-seed.ts'
import { openSweeps } from '../../tools/bench/src/growth-sweeps.ts'
import { logStatements, openStatementLog } from '../../tools/bench/src/statement-log.ts'
import { openWatcher } from '../../tools/bench/src/watcher.ts'
import { exemptions } from './exemptions.ts'
import { isExempt, type Scan, scansOf, summary, tableOf } from './plans.ts'

/** Tables that grow with use. */
const growing = [
  'account_events',
  'api_keys',
  'attempts',
  'audit_entries',
  'campaign_statistics',
  'campaigns',
  'connection_intervals',
  'connections',
  'consents',
  'contact_values',
  'contacts',
  'conversations',
  'event_positions',
  'events',
  'feed_dead',
  'feed_open',
  'forgotten_refusals',
  'idempotency_keys',
  'identities',
  'import_chunks',
  'import_errors',
  'imports',
  'invitations',
  'mails',
  'members',
  'messages',
  'password_resets',
  'people',
  'reactions',
  'recipients',
  'recovery_codes',
  'second_factors',
  'sessions',
  'sign_in_counts',
  'sync_runs',
  'templates',
  'webhook_bodies',
  'webhook_deliveries',
  'webhook_endpoints',
  'webhook_parts',
]

/** A table with fewer rows is a few pages: to go through them is right. */
const grownRows = 1_000

/** Sweeps that come every few minutes, as the services' jobs call them. */
const rareSweeps = [
  { role: 'api', text: "select api.drop_idempotency_keys(now() - interval '1 day', 1000)" },
  { role: 'contacts', text: "select * from contacts.abandoned_uploads(now() - interval '1 hour')" },
] as const

test('no statement of any service goes through a table that grows', async () => {
  const root = path.resolve(import.meta.dirname, '../..')
  await using servers = await startTestServers(root, await loadMigrations())
  {
    await using admin = await openWatcher(servers.adminUrl)
    await logStatements(admin)
  }
  await using stack = await startSystem({ servers, services, scale: 0.1 })
  const tenant = await stack.addTenant()
  const grown = await seedGrown(stack, tenant, grownSizes(0.01), () => undefined)
  const isGrown = await grownRelations(stack)
  const log = await openStatementLog(
    path.join(servers.dir, 'postgres.log'),
    new URL(stack.world.adminUrl).pathname.slice(1),
  )

  await mainJob(stack, tenant)
  await connectAgain(stack, tenant)
  const refused: string[] = []
  for (const { name, run } of grownCalls(stack.clients, tenant, grown))
    for (const i of [1, 2])
      await run(i).catch((error: Error) => refused.push(`${name}: ${error.message}`))
  await using old = await openSweeps(stack.world)
  for (const { name, run } of old.sweeps)
    for (const i of [1, 2]) expect(await run(i), name).toBeTruthy()
  for (const { role, text } of rareSweeps)
    await withClient(stack.world.roleUrl(role), (client) => client.query(text))
  await workOnTheBigCampaign(stack, tenant, grown)

  expect(refused).toEqual([])
  const scans: Scan[] = []
  const roles = new Set<string>()
  await log.read((statement) => {
    roles.add(statement.role)
    scans.push(...scansOf(statement, isGrown))
  })
  expect([...roles]).toEqual(
    expect.arrayContaining(services.map((service) => service.replaceAll('-', '_'))),
  )
  expect(
    summary(scans.filter((scan) => scan.role !== 'postgres' && !isExempt(scan, exemptions))),
  ).toEqual([])
}, 300_000)

/** Whether a relation has grown. Throws when a table that grows was left empty: then nothing could be said about it. */
async function grownRelations({
  world,
}: TestSystem): Promise<(schema: string, relation: string) => boolean> {
  const rows = await world.sql<{ schema: string; name: string }>(
    `select nspname as schema, relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where relkind = 'r' and reltuples >= $1 and nspname not in ('pg_catalog', 'information_schema')`,
    [grownRows],
  )
  const tables = new Set(rows.map(({ name }) => tableOf(name)))
  expect(growing.filter((table) => !tables.has(table))).toEqual([])
  const relations = new Set(rows.map(({ schema, name }) => `${schema}.${name}`))
  return (schema, relation) =>
    relations.has(`${schema}.${relation}`) && growing.includes(tableOf(relation))
}

/** An import, a campaign with all its statuses, replies and a stop. */
async function mainJob(stack: TestSystem, tenant: Tenant): Promise<void> {
  const people = phones(200, 9_000_000)
  await stack.importContacts(tenant, people, 'few')
  const { id } = await stack.startCampaign(tenant, 'few')
  await stack.untilCampaign(tenant, id, 'completed')
  const { phoneNumberId } = tenant
  for (const text of ['Is it still there?', 'STOP'])
    await stack.simulator.client.inbound({ phoneNumberId, from: people[0]!.slice(1), text })
  await until(async () => (await stack.campaign(tenant, id)).statistics!.sent === people.length)
  const stopped = `select from contacts.contacts where account_id = $1 and phone = $2 and opted_out`
  await until(
    async () =>
      (await stack.world.sql(stopped, [tenant.accountId, people[0]!.slice(1)])).length === 1,
  )
}

/** A number gets another token, and is disconnected and connected again. */
async function connectAgain({ clients: { accounts } }: TestSystem, tenant: Tenant): Promise<void> {
  const { connectionId: id, phoneNumberId, wabaId, appId, accessToken } = tenant
  await accounts.replaceToken({ id, accessToken }, tenant)
  await accounts.disconnect({ id }, tenant)
  await accounts.createConnection({ name: '', phoneNumberId, wabaId, appId, accessToken }, tenant)
}

/** A campaign of many recipients is resumed, paused and cancelled. */
async function workOnTheBigCampaign(
  stack: TestSystem,
  tenant: Tenant,
  { campaignId: id }: Grown,
): Promise<void> {
  const { campaigns } = stack.clients
  await campaigns.resumeCampaign({ id }, tenant)
  await until(async () => {
    const { state, reason, statistics } = await stack.campaign(tenant, id)
    if (statistics!.accepted < 100)
      throw new Error(`The campaign is ${state}: ${reason} ${JSON.stringify(statistics)}`)
    return true
  })
  await campaigns.pauseCampaign({ id }, tenant)
  await campaigns.cancelCampaign({ id }, tenant)
  await stack.untilCampaign(tenant, id, 'cancelled')
}
