import { randomUUID } from 'node:crypto'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { counts, ended, file, importCsv, startContacts, type TestContacts } from './fixtures.ts'

const sliceMs = 100
const statementMs = 400
let world: TestContacts
beforeAll(async () => {
  world = await startContacts({
    times: { importSliceMs: sliceMs },
    own: { importStatementMs: statementMs },
  })
})
afterAll(() => world?.[Symbol.asyncDispose]())

const tenant = () => ({ contacts: world.contacts, call: { accountId: randomUUID() } })
const numbers = (n: number) => Array.from({ length: n }, (_, i) => `+4915${100_000_000 + i}`)
const rowsOf = ({ contacts, call }: ReturnType<typeof tenant>, id: string) =>
  contacts.getImport({ id }, call).then((found) => found.rows)

test('four importing tenants do not keep a fifth waiting until they end', {
  timeout: 120_000,
}, async () => {
  const large = `phone\n${numbers(8_000).join('\n')}\n`
  const tenants = Array.from({ length: 4 }, tenant)
  const running = await Promise.all(
    tenants.map((one) => one.contacts.createImport(file(large), one.call)),
  )
  for (const [at, { id }] of running.entries())
    await until(async () => (await rowsOf(tenants[at]!, id)) > 0, 60_000)
  expect(await importCsv(tenant(), 'phone\n+4915100000001\n')).toMatchObject({
    state: 'done',
    created: 1,
  })
  for (const [at, { id }] of running.entries())
    expect(await rowsOf(tenants[at]!, id)).toBeLessThan(8_000)
  for (const [at, { id }] of running.entries())
    expect(counts(await ended(tenants[at]!, id))).toMatchObject({
      state: 'done',
      rows: 8_000,
      created: 8_000,
    })
})

test('an import of many slices holds its lock once a slice, and reads of the file what it has not read', {
  timeout: 120_000,
}, async () => {
  const one = tenant()
  const rows = numbers(8_000).map((number, i) =>
    i % 1_000 === 999 ? 'nonsense' : `${number},"two\nlines"`,
  )
  const { id } = await one.contacts.createImport(file(`phone,name\n${rows.join('\n')}\n`), one.call)
  const done = await ended(one, id)
  expect(counts(done)).toEqual({
    state: 'done',
    rows: 8_000,
    created: 7_992,
    updated: 0,
    duplicates: 0,
    rejected: 8,
  })
  const { errors } = await one.contacts.listImportErrors({ id, afterLine: 0, limit: 100 }, one.call)
  expect(errors.map((error) => error.line)).toEqual(
    Array.from({ length: 8 }, (_, i) => 1_999 * (i + 1) + 1),
  )
  const [fence] = await world.world.sql<{ token: number }>(
    'select token::int from contacts.lock_fences where key like $1',
    [`%${one.call.accountId}`],
  )
  expect(fence!.token).toBeGreaterThan(2)
})

test('an account’s next import waits for the one before, slice after slice', async () => {
  const one = tenant()
  const first = await one.contacts.createImport(
    file(`phone\n${numbers(5_000).join('\n')}\n`),
    one.call,
  )
  const second = await one.contacts.createImport(
    file(`phone\n${numbers(5_000).join('\n')}\n`),
    one.call,
  )
  expect(counts(await ended(one, second.id))).toMatchObject({
    created: 0,
    updated: 5_000,
    duplicates: 0,
  })
  expect(counts(await ended(one, first.id))).toMatchObject({ created: 5_000 })
})

test('a row that is too slow to write is refused in words, and its neighbours are imported', async () => {
  await world.world.sql(`
    create function contacts.slow_row() returns trigger language plpgsql as $$ begin perform pg_sleep(2); return new; end $$;
    create trigger slow_row before insert on contacts.contacts for each row when (new.name = 'Slow') execute function contacts.slow_row()`)
  const one = tenant()
  const names = numbers(20).map((number, i) => `${number},${i === 13 ? 'Slow' : 'Quick'}`)
  const done = await importCsv(one, `phone,name\n${names.join('\n')}\n`)
  expect(counts(done)).toEqual({
    state: 'done',
    rows: 20,
    created: 19,
    updated: 0,
    duplicates: 0,
    rejected: 1,
  })
  const { errors } = await one.contacts.listImportErrors(
    { id: done.id, afterLine: 0, limit: 0 },
    one.call,
  )
  expect(errors).toEqual([{ line: 15, reason: 'The row could not be written within 0.4 s' }])
})

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** The longest time that the service, which runs in this thread, worked without a pause while it imported; other processes don't count. */
async function longestBlockMs(csv: string): Promise<number> {
  const one = tenant()
  let longest = 0
  let last = cpuMs()
  const timer = setInterval(() => {
    const now = cpuMs()
    longest = Math.max(longest, now - last)
    last = now
  }, 1)
  expect(await importCsv(one, csv)).toMatchObject({ state: 'done', rows: 1_000 })
  clearInterval(timer)
  return longest
}

test.each([
  [
    '200 new tags',
    'tags',
    (row: number) =>
      Array.from({ length: 200 }, (_, i) => (row * 200 + i).toString(36).padStart(4, '0')).join(
        ';',
      ),
  ],
  [
    '90 attributes',
    Array.from({ length: 90 }, (_, i) => `column ${i}`).join(),
    (row: number) => Array(90).fill(`value ${row}`).join(),
  ],
])(
  'a file of 1,000 rows of one person, each with %s, does not block the process',
  { timeout: 120_000 },
  async (_name, columns, cells) => {
    const rows = Array.from({ length: 1_000 }, (_, row) => `+4915100000001,${cells(row)}`)
    // The first file also compiles the code.
    let blockMs = Infinity
    for (let tries = 0; tries < 3 && blockMs >= 100; tries++)
      blockMs = Math.min(blockMs, await longestBlockMs(`phone,${columns}\n${rows.join('\n')}\n`))
    expect(blockMs).toBeLessThan(100)
  },
)

test('statistics of tables that a large import made grow are renewed at its end', {
  timeout: 120_000,
}, async () => {
  await importCsv(tenant(), `phone\n${numbers(15_000).join('\n')}\n`)
  await until(async () => {
    const [table] = await world.world.sql<{ n: number }>(
      `select reltuples::int as n from pg_class where oid = 'contacts.identities'::regclass`,
    )
    return table!.n >= 15_000
  })
})
