import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { audit } from '@lockstep/audit'
import { postWebhook, until } from '@lockstep/testing'
import { startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Kind } from './kind.ts'
import { kinds } from './kinds.ts'

let stack: TestSystem
beforeAll(async () => {
  stack = await startSystem()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

test.each(kinds)('$name, posted twice, leads to its rows once', async (kind) => {
  const tenant = await stack.addTenant()
  await kind.given?.(stack, tenant)
  for (const name of kind.after ?? []) await post(tenant, name)
  await settled(tenant)
  await Promise.all([post(tenant, kind.name), post(tenant, kind.name)])
  await expectRows(kind, tenant)
})

test.each(kinds.filter((kind) => kind.after))(
  '$name leads to the same rows when it arrives before what it refers to',
  async (kind) => {
    const tenant = await stack.addTenant()
    await kind.given?.(stack, tenant)
    for (const name of [kind.name, ...kind.after!.toReversed()]) {
      await post(tenant, name)
      await settled(tenant)
    }
    await expectRows(kind, tenant)
  },
)

test('whatever came in, no identity is two contacts, and no row leads to another account or to nobody', async () => {
  const { invariants } = await audit({ ...stack.audited, only: ['I10', 'I11'] })
  expect(invariants.map(({ id, violations, rows }) => ({ id, violations, rows }))).toEqual([
    { id: 'I10', violations: 0, rows: [] },
    { id: 'I11', violations: 0, rows: [] },
  ])
})

test('each fixture is named by one kind', async () => {
  const files = (await readdir(folder)).map((file) => path.parse(file).name)
  expect(kinds.map(({ name }) => name).sort()).toEqual(files.sort())
})

const folder = path.join(import.meta.dirname, 'fixtures')

/** Posts a fixture as Meta does, signed by the tenant's app. */
async function post(tenant: Tenant, name: string): Promise<void> {
  const body = await bodyOf(tenant, name)
  expect(await postWebhook(stack.webhookUrl(tenant), tenant.appSecret, body)).toBe(200)
}

async function bodyOf(tenant: Tenant, name: string): Promise<string> {
  const ids: Record<string, string> = {
    waba: tenant.wabaId,
    number: tenant.phoneNumberId,
    app: tenant.appId,
  }
  const text = await readFile(path.join(folder, `${name}.json`), 'utf8')
  const times = timesOf(tenant)
  return text
    .replaceAll(/\{(waba|number|app)\}/g, (_, id) => ids[id]!)
    .replaceAll(/"\{(first|second)\}"/g, (_, time: keyof typeof times) =>
      String(times[time].getTime() / 1_000),
    )
}

const firstTimes = new Map<string, number>()

/** Times of Meta's that a tenant's bodies and rows name: whole seconds, shortly before its test. */
function timesOf({ accountId }: Tenant): { first: Date; second: Date } {
  const first = firstTimes.get(accountId) ?? (Math.floor(Date.now() / 1_000) - 20) * 1_000
  firstTimes.set(accountId, first)
  return { first: new Date(first), second: new Date(first + 10_000) }
}

/** Expected rows with the tenant's times in place of their names. */
function rowsOf(kind: Kind, tenant: Tenant): Kind['rows'] {
  const times = timesOf(tenant)
  const text = JSON.stringify(kind.rows).replaceAll(
    /\{(first|second)\}/g,
    (_, time: keyof typeof times) => isoText(times[time]),
  )
  return JSON.parse(text)
}

const isoText = (time: Date) => time.toISOString().replace('.000Z', 'Z')

/** Waits until every part of the tenant has its outcome and has had its effects elsewhere. */
async function settled(tenant: Tenant): Promise<void> {
  const open = 'select from webhook_gateway.webhook_parts where app_id = $1 and outcome is null'
  await until(async () => (await stack.world.sql(open, [tenant.appId])).length === 0)
  await stack.settled()
}

async function expectRows(kind: Kind, tenant: Tenant): Promise<void> {
  await settled(tenant)
  const parts = `select distinct outcome from webhook_gateway.webhook_parts p join webhook_gateway.webhook_bodies b on b.id = p.body_id
    where p.app_id = $1 and b.raw = $2`
  const outcomes = await stack.world.sql(parts, [
    tenant.appId,
    Buffer.from(await bodyOf(tenant, kind.name)),
  ])
  expect(outcomes).toEqual([{ outcome: kind.outcome }])
  const found: Record<string, unknown[]> = {}
  const wanted = rowsOf(kind, tenant)
  for (const [source, expected] of Object.entries(wanted)) {
    const rows = await stack.world.sql(
      `select * from (select * from ${source}) t where account_id = $1`,
      [tenant.accountId],
    )
    found[source] = rows
      .map((row) => (expected[0] ? pick(row, Object.keys(expected[0])) : row))
      .sort(byText)
  }
  expect(found).toEqual(
    Object.fromEntries(
      Object.entries(wanted).map(([source, rows]) => [source, rows.toSorted(byText)]),
    ),
  )
}

const byText = (a: unknown, b: unknown) => JSON.stringify(a).localeCompare(JSON.stringify(b))

function pick(row: Record<string, unknown>, columns: string[]): Record<string, unknown> {
  const plain = (value: unknown) => (value instanceof Date ? isoText(value) : value)
  return Object.fromEntries(columns.map((column) => [column, plain(row[column])]))
}
