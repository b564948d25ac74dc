import { randomUUID } from 'node:crypto'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  allContacts,
  counts,
  ended,
  file,
  importCsv,
  inbound,
  startContacts,
  type TestContacts,
} from './fixtures.ts'

let world: TestContacts
let system: Pick<TestContacts, 'contacts' | 'call'>
beforeAll(async () => {
  world = await startContacts()
})
afterAll(() => world?.[Symbol.asyncDispose]())

/** Each test has a tenant of its own. */
const tenant = () => {
  system = { contacts: world.contacts, call: { accountId: randomUUID() } }
  return system
}
const errors = async (id: string) =>
  (await system.contacts.listImportErrors({ id, afterLine: 0, limit: 0 }, system.call)).errors
const byPhone = async (waId: string) =>
  system.contacts.getContact({ id: (await inbound(system, { waId }))[0]! }, system.call)

test('every row is created, updated, a duplicate or rejected with its line, and nothing is kept of the file', async () => {
  tenant()
  await importCsv(system, 'phone,name\n+4915100000001,Old\n')
  const csv = [
    '\ufeffName;Mobile;Tags;Opt-out;City',
    'New;+49 151 00000001;vip;;Berlin',
    '"Two',
    'lines";0049 151 00000002;a|b;no;"Bad ""X"""',
    '',
    'Nobody;0151 3;;;',
    'Long;+4915100000004;;;;surplus',
    'Twice;+4915100000002;c;yes;',
    'Odd;+4915100000005;;perhaps;',
    '',
  ].join('\r\n')
  const done = await importCsv(system, csv, 7)
  expect(counts(done)).toEqual({
    state: 'done',
    rows: 6,
    created: 1,
    updated: 1,
    duplicates: 1,
    rejected: 3,
  })
  expect(done.doneBytes).toBe(done.totalBytes)
  expect(await errors(done.id)).toEqual([
    { line: 6, reason: expect.stringContaining('no country code') },
    { line: 7, reason: 'The row has 6 columns, the first line has 5' },
    { line: 9, reason: expect.stringContaining('neither yes nor no') },
  ])
  const second = await byPhone('4915100000002')
  expect(second).toMatchObject({
    name: 'Two\r\nlines',
    tags: ['a', 'b', 'c'],
    optedOut: true,
    source: 'import',
  })
  expect(JSON.parse(second.attributesJson)).toEqual({ City: 'Bad "X"' })
  expect(await byPhone('4915100000001')).toMatchObject({ name: 'Old', tags: ['vip'] })
  expect(
    await world.world.sql('select 1 from contacts.import_chunks where import_id = $1', [done.id]),
  ).toEqual([])
})

test('an import after a message completes that contact and keeps its source', async () => {
  tenant()
  const [id] = await inbound(system, { waId: '553187654321' })
  await importCsv(system, 'phone\tname\ttag\n+5531987654321\tAna\tnew\n')
  expect(await system.contacts.getContact({ id: id! }, system.call)).toMatchObject({
    name: 'Ana',
    tags: ['new'],
    source: 'webhook',
  })
})

/** What the check says before a marketing message to each number; undefined for one that is nobody's. */
async function refusals(...phones: string[]): Promise<(string | undefined)[]> {
  const byNumber = new Map(
    (await allContacts(system)).map(({ id, phone, waId }) => [phone || waId, id]),
  )
  const contactIds = phones.map((phone) => byNumber.get(phone) ?? randomUUID())
  const { results } = await system.contacts.checkSendable(
    { contactIds, category: 'MARKETING' },
    system.call,
  )
  return results.map(({ refusal }) => (refusal === 'deleted' ? undefined : refusal))
}

test.each([
  ['Opt Out?', 'WAHR'],
  ['unsubscribed', '2024-05-01'],
  ['do_not_contact', '1.0'],
  ['blocked', 'perhaps'],
  ['optout', 'yes,surplus'],
  ['opted_in', 'no'],
  ['Subscription state', 'Unsubscribed'],
])(
  'people whose row says in a column "%s": %s are not written to from then on',
  async (column, cell) => {
    tenant()
    const known = ['4915100000001', '4915100000002']
    await inbound(system, ...known.map((waId) => ({ waId })))
    expect(await refusals(...known)).toEqual(['', ''])
    await importCsv(system, `phone,${column}\n+${known[0]},${cell}\n+${known[1]},\n`)
    expect(await refusals(...known)).toEqual(['opted_out', ''])
  },
)

test('an opt-out that can’t be read stops who is known, and makes nobody of who is not', async () => {
  tenant()
  await importCsv(system, 'phone\n+4915100000001\n')
  const done = await importCsv(
    system,
    'phone,opted_out\n+4915100000001,perhaps\n+4915100000002,perhaps\n+4915100000003,no\n',
  )
  expect(counts(done)).toEqual({
    state: 'done',
    rows: 3,
    created: 1,
    updated: 0,
    duplicates: 0,
    rejected: 2,
  })
  expect(await refusals('4915100000001', '4915100000002', '4915100000003')).toEqual([
    'opted_out',
    undefined,
    '',
  ])
  const evidence = await world.world.sql(
    'select via, evidence from contacts.consents where account_id = $1',
    [system.call.accountId],
  )
  expect(evidence).toEqual([{ via: 'import', evidence: done.id }])
})

test('numbers without a country code are of the import’s default country, else of the account’s, else refused', async () => {
  const { contacts, call } = tenant()
  const csv = 'phone\n(512) 345-6789\n'
  expect(await importCsv(system, csv)).toMatchObject({ defaultCountry: '', rejected: 1 })
  expect(await contacts.getContactSettings({}, call)).toMatchObject({ defaultCountry: '' })
  expect(await contacts.setContactSettings({ defaultCountry: 'us' }, call)).toMatchObject({
    defaultCountry: 'US',
  })
  expect(await importCsv(system, csv)).toMatchObject({ defaultCountry: 'US', created: 1 })
  const { id } = await contacts.createImport(file('phone\n0151 23456789\n', 100, 'DE'), call)
  expect(await ended(system, id)).toMatchObject({ defaultCountry: 'DE', created: 1 })
  expect((await allContacts(system)).map(({ phone }) => phone).sort()).toEqual([
    '15123456789',
    '4915123456789',
  ])
  await expect(contacts.createImport(file(csv, 100, 'Texas'), call)).rejects.toMatchObject({
    failure: 'invalid',
  })
  await expect(contacts.setContactSettings({ defaultCountry: 'ZZ' }, call)).rejects.toMatchObject({
    failure: 'invalid',
  })
  expect(await contacts.getContactSettings({}, tenant().call)).toMatchObject({ defaultCountry: '' })
})

test('an import says what each column was taken for, from its first line on', async () => {
  tenant()
  const done = await importCsv(
    system,
    'People\nFirst Name,Mobile,Opt Out?,GDPR,,City\nAna,+4915100000001,,,,Berlin\n',
  )
  expect(done.columns.map(({ name, takenFor, note }) => [name, takenFor, note !== ''])).toEqual([
    ['First Name', 'first_name', false],
    ['Mobile', 'phone', false],
    ['Opt Out?', 'opted_out', false],
    ['GDPR', 'attribute', true],
    ['', 'nothing', false],
    ['City', 'attribute', false],
  ])
})

test('cells that an export escaped come back as they were', async () => {
  tenant()
  await importCsv(system, "phone,name\n'+4915100000001,'=1+1\n")
  expect((await byPhone('4915100000001')).name).toBe('=1+1')
})

test.each([
  ['without a phone column', 'name,city\nA,B\n', /no phone column/],
  ['in UTF-16', Buffer.from('\ufeffphone\n+4915100000001\n', 'utf16le'), /UTF-16/],
  [
    'with an open quotation mark',
    'phone,name\n+4915100000001,"A\n+4915100000002,B\n',
    /quotation mark .*line/,
  ],
  ['with a first line only', 'phone,name\n', /no rows/],
  [
    'that is one endless row',
    `phone,name\n+4915100000001,"${'x\n'.repeat(20_000)}`,
    /longer than 16 kB/,
  ],
])('a file %s fails with a message', async (_name, bytes, message) => {
  tenant()
  const done = await importCsv(system, bytes)
  expect(done).toMatchObject({
    state: 'failed',
    created: 0,
    failure: expect.stringMatching(message),
  })
  expect(done.finishedAtMs).toBeGreaterThan(0)
})

test('a row that is not UTF-8 is rejected by its line, its neighbours are imported', async () => {
  tenant()
  const done = await importCsv(
    system,
    Buffer.from('phone,name\n+4915100000001,Jos\xe9\n+4915100000002,Ana\n', 'latin1'),
  )
  expect(counts(done)).toEqual({
    state: 'done',
    rows: 2,
    created: 1,
    updated: 0,
    duplicates: 0,
    rejected: 1,
  })
  expect(await errors(done.id)).toEqual([{ line: 2, reason: expect.stringContaining('not UTF-8') }])
})

/** A row for one person with another column and 15 attributes of a name that are 1,000 characters long each. */
function wideCsv(column: string, name: string, value: string): string {
  const names = Array.from({ length: 15 }, (_, i) => `${name}${i}`)
  return `phone,${column},${names}\n+4915100000001,${value},${names.map(() => 'y'.repeat(1_000))}\n`
}

test('a row that would give its contact more than 32,000 characters of attributes is rejected, and leaves the contact as it was', async () => {
  tenant()
  const wide = (name: string, tags: string) => wideCsv('tags', name, tags)
  for (const name of ['a', 'b'])
    expect(await importCsv(system, wide(name, name))).toMatchObject({ rejected: 0 })
  const third = await importCsv(
    system,
    `${wide('c', 'c')}+4915100000002,c${',z'.repeat(15)}\n+4915100000001,d${',z'.repeat(15)}\n`,
  )
  expect(counts(third)).toEqual({
    state: 'done',
    rows: 3,
    created: 1,
    updated: 1,
    duplicates: 0,
    rejected: 1,
  })
  expect(await errors(third.id)).toEqual([
    { line: 2, reason: expect.stringContaining('more than 32,000 characters of attributes') },
  ])
  expect(await byPhone('4915100000001')).toMatchObject({ tags: ['a', 'b', 'd'] })
  expect(await importCsv(system, wide('a', 'e'))).toMatchObject({ updated: 1, rejected: 0 })
})

test('a stop counts also in a row that is rejected for its attributes', async () => {
  tenant()
  const wide = (name: string, optedOut: string) => wideCsv('opted_out', name, optedOut)
  for (const name of ['a', 'b']) await importCsv(system, wide(name, ''))
  expect(await byPhone('4915100000001')).toMatchObject({ optedOut: false })
  expect(await importCsv(system, wide('c', 'yes'))).toMatchObject({ rejected: 1 })
  expect(await byPhone('4915100000001')).toMatchObject({ optedOut: true })
})

test('a row that would give its contact more than 200 tags is rejected, tags that it has count once, and a merge keeps to the limit', async () => {
  const { contacts, call } = tenant()
  const tags = (from: number, n: number) =>
    Array.from({ length: n }, (_, i) => `t${from + i}`).join(';')
  const rows = [tags(0, 201), tags(0, 150), tags(100, 60), tags(50, 150), 'one'].map(
    (cell) => `+4915100000001,${cell}\n`,
  )
  const done = await importCsv(system, `phone,tags\n${rows.join('')}`)
  expect(counts(done)).toEqual({
    state: 'done',
    rows: 5,
    created: 1,
    updated: 0,
    duplicates: 2,
    rejected: 2,
  })
  expect(await errors(done.id)).toEqual([
    { line: 2, reason: 'The row names 201 tags; at most 200 are allowed' },
    { line: 6, reason: expect.stringContaining('more than 200 tags') },
  ])
  await importCsv(system, `phone,tags\n+4915100000002,${tags(150, 100)}\n`)
  const [id] = await inbound(system, { waId: '4915100000002', movedFromWaId: '4915100000001' })
  expect((await contacts.getContact({ id: id! }, call)).tags).toHaveLength(200)
})

test('of very many rejected rows the first 10,000 are kept and all are counted', async () => {
  tenant()
  const done = await importCsv(system, `phone\n${'x\n'.repeat(10_500)}`)
  expect(counts(done)).toMatchObject({ state: 'done', rows: 10_500, rejected: 10_500 })
  const [kept] = await world.world.sql(
    'select count(*)::int as n, max(line) as last from contacts.import_errors where import_id = $1',
    [done.id],
  )
  expect(kept).toEqual({ n: 10_000, last: 10_001 })
})

test('a file that is empty, too large or nameless is refused and leaves nothing behind', async () => {
  const { contacts, call } = tenant()
  const refused = (requests: AsyncIterable<{ fileName: string; chunk: Uint8Array }>) =>
    contacts.createImport(requests, { ...call, timeoutMs: 30_000 })
  await expect(refused(file(''))).rejects.toMatchObject({ failure: 'invalid' })
  async function* nameless() {
    yield { fileName: ' ', chunk: Buffer.from('phone\n') }
  }
  await expect(refused(nameless())).rejects.toMatchObject({ failure: 'invalid' })
  async function* large() {
    for (let i = 0; i < 26; i++)
      yield { fileName: 'large.csv', chunk: Buffer.alloc(4_000_000, 'x') }
  }
  await expect(refused(large())).rejects.toMatchObject({ failure: 'too_large' })
  await nothingKept(call.accountId)
})

test('an upload that breaks off leaves nothing behind', async () => {
  const { contacts, call } = tenant()
  const stop = new AbortController()
  async function* broken() {
    yield { fileName: 'broken.csv', chunk: Buffer.alloc(1_000_000, 'x') }
    await until(async () => (await kept(call.accountId)) > 0)
    stop.abort()
    await new Promise(() => undefined)
  }
  await expect(
    contacts.createImport(broken(), { ...call, signal: stop.signal }),
  ).rejects.toMatchObject({ failure: 'timeout' })
  await nothingKept(call.accountId)
})

const kept = async (accountId: string) =>
  (
    await world.world.sql(
      'select 1 from contacts.import_chunks where account_id = $1 union all select 1 from contacts.imports where account_id = $1',
      [accountId],
    )
  ).length
const nothingKept = (accountId: string) => until(async () => (await kept(accountId)) === 0)

test('two imports of one account run one after the other', async () => {
  const { contacts, call } = tenant()
  const rows = (from: number) =>
    Array.from({ length: 3_000 }, (_, i) => `+4915${from + i}`).join('\n')
  const first = await contacts.createImport(file(`phone\n${rows(100_000_000)}\n`), call)
  const second = await contacts.createImport(file(`phone\n${rows(100_002_000)}\n`), call)
  expect(counts(await ended(system, second.id))).toEqual({
    state: 'done',
    rows: 3_000,
    created: 2_000,
    updated: 1_000,
    duplicates: 0,
    rejected: 0,
  })
  expect(counts(await ended(system, first.id))).toMatchObject({ state: 'done', created: 3_000 })
})

test('an import waits while another of its account runs elsewhere, and runs when that has ended', async () => {
  const { contacts, call } = tenant()
  const running = randomUUID()
  await world.world.sql(
    `insert into contacts.imports (id, account_id, file_name, state, total_bytes, created_at) values ($1, $2, 'x', 'running', 1, now())`,
    [running, call.accountId],
  )
  const { id } = await contacts.createImport(file('phone\n+4915100000001\n'), call)
  await until(
    async () =>
      (
        await world.world.sql(
          'select 1 from contacts.feed_open where row_id = $1 and not_before is not null',
          [id],
        )
      ).length > 0,
  )
  expect(await contacts.getImport({ id }, call)).toMatchObject({ state: 'queued', rows: 0 })
  await world.world.sql(`update contacts.imports set state = 'done' where id = $1`, [running])
  expect(await ended(system, id)).toMatchObject({ state: 'done', created: 1 })
})
