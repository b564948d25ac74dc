import { randomUUID } from 'node:crypto'
import { audit } from '@lockstep/audit'
import { shares } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { assertClean } from './faults/run.ts'

/** A campaign's list is made and taken away in slices: a kill costs a slice, and what is too much is halved or named. */
const stack = new AsyncDisposableStack()
let system: TestSystem
let tenant: Tenant

beforeAll(async () => {
  system = stack.use(await startSystem())
  tenant = await system.addTenant()
})
afterEach(() => system.world.sql('drop trigger if exists race_list on campaigns.recipients'))
afterAll(() => stack.disposeAsync())

let used = 0
async function audience(count: number): Promise<string> {
  const tag = `list-${used}`
  await system.importContacts(tenant, phones(count, 500_000 + used), tag)
  used += count
  return tag
}

/** What PostgreSQL does at each page that is put on a list; `page` holds its rows. */
async function onEachPage(what: string): Promise<void> {
  await system.world.sql(`create or replace function campaigns.at_page() returns trigger language plpgsql
    as $$ begin ${what}; return null; end $$`)
  await system.world.sql(`create trigger race_list after insert on campaigns.recipients referencing new table as page
    for each statement execute function campaigns.at_page()`)
}

const preparation = async (id: string) =>
  (
    await system.world.sql<{ after_contact: string; queued: number }>(
      'select * from campaigns.preparations where campaign_id = $1',
      [id],
    )
  )[0]

const start = async (tag: string) => (await system.startCampaign(tenant, tag)).id

/** Leaves the queue alone, so that the list can be looked at as it was made. */
async function paused(id: string): Promise<void> {
  await system.world.sql('delete from campaigns.feed_open where key = $1', [id])
}

test('a list that is longer than a slice, made while connections break, names everybody once and counts them', async () => {
  const tag = await audience(3_000)
  await onEachPage('perform pg_sleep(0.25)')
  const id = await start(tag)
  const cursors = new Set<string>()
  await until(async () => {
    const now = await preparation(id)
    if (now?.after_contact && !cursors.has(now.after_contact)) {
      cursors.add(now.after_contact)
      await system.world.killBackends()
    }
    return cursors.size >= 3
  }, 30_000)
  const done = await until(async () => {
    const campaign = await system.campaign(tenant, id).catch(() => null)
    return campaign && campaign.state !== 'preparing' && campaign
  }, 30_000)
  expect(done.statistics).toMatchObject({ recipients: 3_000 })
  const [rows] = await system.world.sql(
    `select count(*)::int as rows, count(distinct contact_id)::int as people, count(distinct run_id)::int as runs
     from campaigns.recipients where campaign_id = $1`,
    [id],
  )
  expect(rows).toEqual({ rows: 3_000, people: 3_000, runs: 1 })
  expect(await preparation(id)).toBeUndefined()
  await system.clients.campaigns.cancelCampaign({ id }, tenant).catch(() => undefined)
  await paused(id)
}, 90_000)

test('a page that is too much for one statement is put on the list in halves', async () => {
  const tag = await audience(600)
  await onEachPage(
    `if (select count(*) from page) > 100 then raise exception 'too slow' using errcode = '57014'; end if`,
  )
  const id = await start(tag)
  expect((await system.untilCampaign(tenant, id, 'completed', 60_000)).statistics).toMatchObject({
    recipients: 600,
    accepted: 600,
  })
}, 90_000)

test('one person who is too much is named in words, and the list of the campaign that has failed goes', async () => {
  const tag = await audience(600)
  const [named] = await system.world.sql<{ id: string }>(
    'select id from contacts.contacts where account_id = $1 order by id desc limit 1',
    [tenant.accountId],
  )
  await onEachPage(
    `if exists (select from page where contact_id = '${named!.id}') then raise exception 'too slow' using errcode = '57014'; end if`,
  )
  const id = await start(tag)
  const failed = await system.untilCampaign(tenant, id, 'failed', 60_000)
  expect(failed.reason).toContain(`Contact ${named!.id} is too large to be put on the list in time`)
  await until(async () => !(await preparation(id)))
  expect(
    await system.world.sql('select from campaigns.recipients where campaign_id = $1', [id]),
  ).toEqual([])
  await system.world.sql('drop trigger race_list on campaigns.recipients')
  await system.clients.campaigns.startCampaign({ id }, tenant)
  expect((await system.untilCampaign(tenant, id, 'completed', 60_000)).statistics).toMatchObject({
    recipients: 600,
    accepted: 600,
  })
}, 120_000)

test('people whom an earlier run has put on the list and whom the filter no longer names are taken off it', async () => {
  const tag = await audience(5)
  const { id } = await system.createCampaign(tenant, tag)
  await system.world.sql(
    `insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, not_before)
     select account_id, id, gen_random_uuid(), $2, '4915100000', '', '{}', 'queued', '-infinity' from campaigns.campaigns, generate_series(1, 3)
     where id = $1`,
    [id, randomUUID()],
  )
  await system.clients.campaigns.startCampaign({ id }, tenant)
  expect((await system.untilCampaign(tenant, id, 'completed')).statistics).toMatchObject({
    recipients: 5,
    accepted: 5,
    skipped: 0,
  })
  expect(
    await system.world.sql('select from campaigns.recipients where campaign_id = $1', [id]),
  ).toHaveLength(5)
})

test('of one account only its share of campaigns is prepared at the same moment; the others say that they wait', async () => {
  const tag = await audience(1_500)
  await onEachPage('perform pg_sleep(0.5)')
  const ids = await Promise.all(
    Array.from({ length: shares.prepares_under_way.limit + 2 }, () => start(tag)),
  )
  let most = 0
  await until(async () => {
    const writing = await system.world.sql(
      `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
    )
    most = Math.max(most, writing.length)
    const campaigns = await Promise.all(ids.map((id) => system.campaign(tenant, id)))
    return campaigns.some(
      ({ state, reason }) =>
        state === 'preparing' &&
        /^It waits: 2 campaigns of this account are being prepared/.test(reason),
    )
  }, 30_000)
  await system.world.sql('drop trigger race_list on campaigns.recipients')
  for (const id of ids) {
    const ready = await until(async () => {
      const campaign = await system.campaign(tenant, id)
      return campaign.state !== 'preparing' && campaign
    }, 30_000)
    expect(ready).toMatchObject({ reason: '', statistics: { recipients: 1_500 } })
    await system.clients.campaigns.cancelCampaign({ id }, tenant)
  }
  expect(most).toBeLessThanOrEqual(shares.prepares_under_way.limit)
}, 90_000)

test('a cancel answers before the list is gone, and its lane takes the list away', async () => {
  const tag = await audience(1_500)
  await onEachPage('perform pg_sleep(0.3)')
  const id = await start(tag)
  await until(async () => ((await preparation(id))?.queued ?? 0) > 0)
  const cancelled = await system.clients.campaigns.cancelCampaign({ id }, tenant)
  expect(cancelled).toMatchObject({ state: 'cancelled', statistics: { recipients: 0 } })
  await until(async () => !(await preparation(id)))
  expect(
    await system.world.sql('select from campaigns.recipients where campaign_id = $1', [id]),
  ).toEqual([])
})

test('in the end no invariant is violated', async () => {
  await system.settled(60_000)
  assertClean(await audit({ ...system.audited, settled: true }))
}, 90_000)
