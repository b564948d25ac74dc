import { randomUUID } from 'node:crypto'
import { openContext } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { deriveFlags } from '../src/db/consents.ts'
import { deleteOldConsents } from '../src/db/old-rows.ts'
import { forgetConsents, forgetImports } from '../src/jobs/forget-old.ts'
import { contactsService } from '../src/service.ts'
import { importCsv, inbound, startContacts, type TestContacts } from './fixtures.ts'

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)
const years = 365.25

test('imports go with their refused rows, page by page, and one that a stop stands on stays as its evidence', async () => {
  await using system = await startContacts()
  const { world, config, contacts, call } = system
  await using ctx = await openContext<Context>(contactsService, config)
  const plain = await importCsv(system, 'phone\n+4915112345678\n12\n')
  const stops = await importCsv(system, 'phone,opted_out\n+4915112345679,yes\n12,\n')
  const young = await importCsv(system, 'phone\n12\n')
  await world.sql('update contacts.imports set finished_at = $1 where id = any($2::uuid[])', [
    daysAgo(91),
    [plain.id, stops.id],
  ])
  await world.sql('update contacts.imports set finished_at = $1 where id = $2', [
    daysAgo(89),
    young.id,
  ])
  // More refused rows than a page holds.
  await world.sql(
    `insert into contacts.import_errors (import_id, line, account_id, reason) select $1, i, $2, 'No' from generate_series(10, 5000) i`,
    [plain.id, call.accountId],
  )

  await forgetImports(ctx)
  await expect(contacts.getImport({ id: plain.id }, call)).rejects.toMatchObject({
    failure: 'not_found',
  })
  expect(await contacts.getImport({ id: stops.id }, call)).toMatchObject({
    rows: 2,
    created: 1,
    rejected: 1,
    fileName: 'people.csv',
  })
  expect((await contacts.listImportErrors({ id: stops.id }, call)).errors).toEqual([])
  expect((await contacts.listImportErrors({ id: young.id }, call)).errors).toHaveLength(1)
  expect(await world.sql('select import_id from contacts.import_errors')).toEqual([
    { import_id: young.id },
  ])
  const people = (await contacts.listContacts({ limit: 10 }, call)).contacts
  expect(people.map(({ optedOut }) => optedOut)).toEqual([false, true])

  await forgetImports(ctx) // what stays is not looked at again
  expect(await world.sql('select id from contacts.imports where forgotten_at is not null')).toEqual(
    [{ id: stops.id }],
  )
})

interface CellMeaning {
  kind: string
  via: string
  days: number
}

/** A contact of the tenant and what it said, in the order in which it was written down. */
async function personWho(system: TestContacts, waId: string, said: CellMeaning[]): Promise<string> {
  const [id] = await inbound(system, { waId })
  for (const { kind, via, days } of said)
    await system.world.sql(
      `insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at, recorded_at)
       select account_id, namespace, match_key, contact_id, $2, $3, $4, $5, $5 from contacts.identities where contact_id = $1`,
      [id, kind, via, randomUUID(), daysAgo(days)],
    )
  return id!
}

/** Lets consents be walked again, once the service has been through it at its start. */
async function letADayPass({ world }: TestContacts): Promise<void> {
  const today = `select from contacts.consent_walk where done_at > now() - interval '1 day'`
  await until(async () => (await world.sql(today)).length > 0)
  await world.sql(`update contacts.consent_walk set done_at = now() - interval '25 hours'`)
}

test('of what a person said again for years the older goes; the last consent of each kind and clock stays for ever', async () => {
  await using system = await startContacts()
  await using ctx = await openContext<Context>(contactsService, system.config)
  const old = 6 * years
  const only = await personWho(system, '4915112345671', [
    { kind: 'opt_out', via: 'word', days: 20 * years },
  ])
  const repeated = await personWho(system, '4915112345672', [
    { kind: 'opt_in', via: 'api', days: old + 9 },
    { kind: 'opt_out', via: 'word', days: old + 8 },
    { kind: 'opt_out', via: 'import', days: old + 7 },
    { kind: 'opt_out', via: 'button', days: old + 6 },
    { kind: 'block', via: 'api', days: old + 5 },
  ])
  const lately = await personWho(system, '4915112345673', [
    { kind: 'opt_out', via: 'word', days: old },
    { kind: 'opt_out', via: 'word', days: 4 * years },
  ])
  await letADayPass(system)
  await forgetConsents(ctx)
  const left = async (id: string) =>
    (
      await system.world.sql<{ said: string }>(
        `select kind || ' ' || via as said from contacts.consents where contact_id = $1 order by id`,
        [id],
      )
    ).map(({ said }) => said)
  expect(await left(only)).toEqual(['opt_out word'])
  expect(await left(repeated)).toEqual([
    'opt_in api',
    'opt_out import',
    'opt_out button',
    'block api',
  ])
  expect(await left(lately)).toEqual(['opt_out word', 'opt_out word'])
})

test('whatever was said in whatever order, flags come out the same from what is kept', async () => {
  await using system = await startContacts()
  const { world, config, call } = system
  await using ctx = await openContext<Context>(contactsService, config)
  const kinds = ['opt_out', 'opt_in', 'block', 'unblock']
  const vias = [
    'word',
    'button',
    'preference',
    'error_131050',
    'error_130403',
    'api',
    'import',
    'merge',
  ]
  const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)]!
  const ids: string[] = []
  for (let person = 0; person < 30; person++) {
    const said = Array.from({ length: 12 }, () => ({
      kind: pick(kinds),
      via: pick(vias),
      days: 5 * years + (Math.random() - 0.1) * 0.01,
    }))
    ids.push(await personWho(system, `49151123457${10 + person}`, said))
  }
  const flags = async () => {
    await ctx.db.transaction(call.accountId, (tx) => deriveFlags(tx, ids))
    return world.sql('select id, opted_out, blocked from contacts.contacts order by id')
  }
  const before = await flags()
  const rows = async () =>
    (await world.sql<{ rows: number }>('select count(*)::int as rows from contacts.consents'))[0]!
      .rows
  const all = await rows()
  await letADayPass(system)
  await forgetConsents(ctx)
  expect(await rows()).toBeLessThan(all)
  expect(await flags()).toEqual(before)
})

test('consents are walked a page at a time with its place in a row, once a day, and begins anew after its end', async () => {
  await using system = await startContacts()
  const { world, config } = system
  await using ctx = await openContext<Context>(contactsService, config)
  const id = await personWho(system, '4915112345674', [])
  const add = (count: number) =>
    world.sql(
      `insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at, recorded_at)
       select account_id, namespace, match_key, contact_id, 'opt_out', 'api', gen_random_uuid()::text, $2::timestamptz + i * interval '1 second',
         $2::timestamptz from contacts.identities, generate_series(1, $3::int) i where contact_id = $1`,
      [id, daysAgo(6 * years), count],
    )
  const rows = async () =>
    (await world.sql<{ rows: number }>('select count(*)::int as rows from contacts.consents'))[0]!
      .rows
  await add(5_000)
  await letADayPass(system)
  expect(await deleteOldConsents(ctx.db, daysAgo(5 * years), 2_000)).toEqual({
    rows: 2_000,
    more: true,
  })
  await forgetConsents(ctx) // goes on where the page ended
  expect(await rows()).toBe(1)

  await add(10)
  await forgetConsents(ctx)
  expect(await rows()).toBe(11)
  await letADayPass(system)
  await forgetConsents(ctx)
  expect(await rows()).toBe(1)
})
