import { randomUUID } from 'node:crypto'
import { attributeTypes, contactSources } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { matchKey } from '@lockstep/whatsapp'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Attribute, typedValue } from '../src/attributes/attribute.ts'
import type { AttributeTest, Condition } from '../src/filters/contact-filter.ts'
import { readContactFilter } from '../src/filters/contact-filter.ts'
import { daysAgo } from '../src/filters/days-ago.ts'
import { startContacts, type TestContacts } from './fixtures.ts'

const seed = Number(process.env.LOCKSTEP_FUZZ_SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.LOCKSTEP_FUZZ_RUNS ?? 150)

let system: TestContacts
const call = { accountId: randomUUID() }
/** What the contacts of the account are, as they were written. */
let people: Person[]
let attributes: Map<string, Attribute & { isIndexing: boolean }>

interface Person {
  id: string
  name: string
  phone: string
  email: string
  language: string
  source: string
  tags: string[]
  opted_out: boolean
  blocked: boolean
  created_at: Date
  last_inbound_at: Date | null
  attributes: Record<string, string>
}

const names = ['Ana', 'Bo', 'Émile', '', "O'Neil"]
const tags = ['vip', 'spring', 'old']
const days = [0, 1, 2, 3, 30, 400]
const long = 'x'.repeat(300)
const samples: Record<(typeof attributeTypes)[number], string[]> = {
  text: ['', 'Ulm', 'ulm', long, `${long}y`],
  number: ['1', '2', '-3.5', '1000'],
  date: ['2024-02-29', '2026-01-01', '0099-12-31'],
  boolean: ['true', 'false'],
  choice: ['S', 'M'],
}
const one = <T>(list: readonly T[], i: number): T => list[i % list.length]!

beforeAll(async () => {
  system = await startContacts()
  for (const type of attributeTypes) {
    const choices = type === 'choice' ? ['S', 'M', 'L'] : []
    await system.contacts.createAttribute({ name: `a_${type}`, type, choices }, call)
  }
  people = await Promise.all(Array.from({ length: 120 }, (_, i) => addPerson(i)))
  await system.contacts.setContactSettings({ timeZone: 'America/Sao_Paulo' }, call)
  attributes = await until(async () => {
    const listed = await system.contacts.listAttributes({}, call)
    const rows = listed.attributes.map((row) => ({ ...row, accountId: call.accountId }))
    return (
      rows.every(({ isIndexing }) => !isIndexing) &&
      (new Map(rows.map((row) => [row.name, row])) as unknown as typeof attributes)
    )
  })
  // Of no list: archived, forgotten, and of another account.
  const { contact } = await system.contacts.createContact({ phone: '+4915141000001' }, call)
  await system.contacts.archiveContact({ id: contact!.id }, call)
  const { contact: gone } = await system.contacts.createContact({ phone: '+4915141000002' }, call)
  await system.contacts.forgetContact({ id: gone!.id }, call)
  const stranger = { accountId: randomUUID() }
  await system.contacts.createContact({ phone: '+4915141000003', name: 'Ana' }, stranger)
}, 60_000)
afterAll(() => system?.[Symbol.asyncDispose]())

async function addPerson(i: number): Promise<Person> {
  const kept = Object.fromEntries(
    attributeTypes.flatMap((type, at) =>
      (i + at) % 3 === 0 ? [] : [[`a_${type}`, one(samples[type], i * 7 + at)]],
    ),
  )
  const person = {
    name: one(names, i),
    phone: `49151410${10_000 + i}`,
    email: i % 4 ? `p${i % 3}@example.com` : '',
    language: one(['', 'de', 'pt_BR'], i),
    tags: tags.filter((_, at) => (i >> at) % 2),
    attributes: kept,
  }
  const { name, phone, email, language, tags: carried, attributes: values } = person
  const request = { phone: `+${phone}`, name, email, language, tags: carried, attributes: values }
  const { id } = (await system.contacts.createContact(request, call)).contact!
  const flags = { opted_out: i % 5 === 0, blocked: i % 7 === 0 }
  const source = one(contactSources, i)
  const created_at = new Date(Date.now() - one(days, i) * 86_400_000 - i * 1_800_000)
  const last_inbound_at =
    i % 3 === 0 ? null : new Date(Date.now() - one(days, i + 2) * 86_400_000 - i * 600_000)
  await system.world.sql(
    `update contacts.contacts set opted_out = $2, blocked = $3, source = $4, created_at = $5,
       last_inbound_at = $6 where id = $1`,
    [id, flags.opted_out, flags.blocked, source, created_at, last_inbound_at],
  )
  return { ...person, ...flags, id, source, created_at, last_inbound_at }
}

/** What a condition says of a person, by no statement. */
function holds(condition: Condition, person: Person): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.conditions.every((each) => holds(each, person))
    case 'or':
      return condition.conditions.some((each) => holds(each, person))
    case 'not':
      return !holds(condition.condition, person)
    case 'text':
      return condition.values.includes(person[condition.field])
    case 'number':
      return condition.matchKeys.includes(matchKey(person.phone))
    case 'has text':
      return person[condition.field] !== ''
    case 'tag':
      return condition.tags.some((tag) => person.tags.includes(tag))
    case 'flag':
      return person[condition.field] === condition.value
    case 'time': {
      const at = person[condition.field]
      if (!at) return false
      const { from, until: end } = condition
      return (!from || at >= from) && (!end || at < end)
    }
    case 'attribute':
      return holdsValue(condition.attribute, condition.test, person)
  }
}

function holdsValue(attribute: Attribute, asked: AttributeTest, person: Person): boolean {
  const text = person.attributes[attribute.name]
  const typed = text === undefined ? undefined : typedValue(attribute, text)
  if (text === undefined || typed === undefined) return false
  if (asked.op === 'is_set') return true
  const plain = (value: typeof typed) => value.numberValue ?? value.dateValue ?? value.textValue!
  if (asked.op === 'in')
    return attribute.type === 'text'
      ? asked.texts.includes(text)
      : asked.values.some((value) => plain(value) === plain(typed))
  const [has, bound] = [plain(typed), plain(asked.value)]
  return asked.op === 'at_least' ? has >= bound : has <= bound
}

const oneOrSome = (values: readonly unknown[]) =>
  fc.oneof(
    fc.record({ op: fc.constant('is'), value: fc.constantFrom(...values) }),
    fc.record({
      op: fc.constant('in'),
      value: fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }),
    }),
  )
const set = fc.constant({ op: 'is_set' })
const field = (name: string, tests: fc.Arbitrary<object>) =>
  tests.map((asked) => ({ field: name, ...asked }))
const times = fc.oneof(
  fc.record({ op: fc.constant('in_last_days'), value: fc.constantFrom(1, 2, 3, 4, 31, 401) }),
  fc.record({
    op: fc.constantFrom('from', 'until'),
    value: fc
      .integer({ min: -500, max: 2 })
      .map((n) => new Date(Date.now() + n * 43_200_000).toISOString()),
  }),
  set,
)
const ofAttribute = (type: keyof typeof samples) => {
  const some = oneOrSome(samples[type].filter(Boolean))
  const ordered = fc.record({
    op: fc.constantFrom('at_least', 'at_most'),
    value: fc.constantFrom(...samples[type].filter(Boolean)),
  })
  const tests = type === 'number' || type === 'date' ? [some, ordered, set] : [some, set]
  return fc.oneof(...tests).map((asked) => ({ attribute: `a_${type}`, ...asked }))
}
const leaf: fc.Arbitrary<object> = fc.oneof(
  field('name', fc.oneof(oneOrSome(names.filter(Boolean)), set)),
  field('phone', oneOrSome(['+4915141010003', '+49 15141 010004', '+4915141999999'])),
  field('email', fc.oneof(oneOrSome(['p0@example.com', 'p1@example.com']), set)),
  field('language', fc.oneof(oneOrSome(['de', 'pt-br', 'fr']), set)),
  field('source', oneOrSome(contactSources)),
  field('tag', oneOrSome([...tags, 'nobody'])),
  field('opted_out', fc.record({ op: fc.constant('is'), value: fc.boolean() })),
  field('blocked', fc.record({ op: fc.constant('is'), value: fc.boolean() })),
  field('created_at', times),
  field('last_inbound_at', times),
  ...attributeTypes.map(ofAttribute),
)
const { condition } = fc.letrec<{ condition: object }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    leaf,
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((or) => ({ or })),
    tie('condition').map((not) => ({ not })),
  ),
}))

const search = async (filter: object, limit = 200) => {
  const filterJson = JSON.stringify(filter)
  const { contacts } = await system.contacts.listContacts({ filterJson, limit }, call)
  return contacts.map(({ id }) => id)
}
const count = async (filter: object) =>
  (await system.contacts.countContacts({ filterJson: JSON.stringify(filter) }, call)).count

test(`a list and a count mean whom a plain look at each contact means (seed ${seed})`, {
  timeout: 300_000,
}, async () => {
  const property = fc.asyncProperty(condition, async (where) => {
    const filter = { version: 1, where }
    const reading = { attributes, now: new Date(), timeZone: 'America/Sao_Paulo' }
    const read = readContactFilter(JSON.stringify(filter), reading)
    if (read.everybody) throw new Error('It was read as everybody')
    const meant = people.filter((person) => holds(read.where, person)).map(({ id }) => id)
    expect(await search(filter)).toEqual(meant.sort())
    expect(await count(filter)).toBe(meant.length)
  })
  await fc.assert(property, { seed, numRuns, includeErrorInReport: true })
})

test('everybody has to be said, and is everybody who is in a list', async () => {
  const everybody = { version: 1, everybody: true }
  expect(await count(everybody)).toBe(people.length)
  expect(await search(everybody)).toEqual(people.map(({ id }) => id).sort())
})

test('pages of a filter are each contact once', async () => {
  const where = {
    or: [{ field: 'tag', op: 'is', value: 'vip' }, { not: { field: 'name', op: 'is_set' } }],
  }
  const filterJson = JSON.stringify({ version: 1, where })
  const all: string[] = []
  for (let after = ''; ; after = all.at(-1)!) {
    const { contacts } = await system.contacts.listContacts({ filterJson, after, limit: 7 }, call)
    all.push(...contacts.map(({ id }) => id))
    if (contacts.length < 7) break
  }
  expect(all).toEqual(await search({ version: 1, where }))
  expect(new Set(all).size).toBe(all.length)
})

const leafOf = (more: object) => ({ version: 1, where: { field: 'name', op: 'is', ...more } })
const nested = (levels: number): object =>
  levels === 1 ? { field: 'name', op: 'is_set' } : { not: nested(levels - 1) }

test.each([
  [{}, '"filter.version" must be 1'],
  [{ version: 2, everybody: true }, '"filter.version" must be 1'],
  [{ version: 1 }, '"filter" is empty, and means nobody: name "where", or "everybody": true'],
  [{ version: 1, everybody: false }, '"filter.everybody" must be true'],
  [{ version: 1, everybody: true, where: nested(1) }, 'must be true, and stand without "where"'],
  [{ version: 1, wher: {} }, '"filter" has no field "wher"; its fields are version'],
  [{ version: 1, where: [] }, '"filter.where" must be an object'],
  [{ version: 1, where: {} }, '"filter.where.field" must be one of name, phone'],
  [{ version: 1, where: { and: [] } }, '"filter.where.and" must be a list of at least one'],
  [{ version: 1, where: { and: [nested(1)], or: [nested(1)] } }, 'must have one of "and", "or"'],
  [{ version: 1, where: nested(7) }, 'stands deeper than 6 levels'],
  [
    { version: 1, where: { or: Array.from({ length: 100 }, () => nested(1)) } },
    'The filter has more than 100 conditions',
  ],
  [leafOf({ value: 1 }), '"filter.where.value" must be a text of 1 to 256 characters'],
  [leafOf({ value: '' }), 'must be a text of 1 to 256 characters'],
  [leafOf({ value: 'a\0' }), 'must hold neither the character U+0000'],
  [leafOf({ value: '\ud800' }), 'must hold neither the character U+0000'],
  [leafOf({ op: 'like', value: 'A' }), '"filter.where.op" must be one of is, in, is_set'],
  [leafOf({ op: 'in', value: [] }), 'must be a list of 1 to 100 texts'],
  [leafOf({ value: 'A', extra: 1 }), 'has no field "extra"'],
  [leafOf({ field: 'phone', value: '123' }), '"filter.where.value" "123"'],
  [leafOf({ field: 'opted_out', value: 'yes' }), 'the value true or false'],
  [leafOf({ field: 'source', value: 'magic' }), 'must be one of webhook, import'],
  [leafOf({ field: 'created_at', value: 'x' }), 'must be one of from, until, in_last_days, is_set'],
  [leafOf({ field: 'created_at', op: 'from', value: '2026' }), 'must be a time such as'],
  [leafOf({ field: 'created_at', op: 'in_last_days', value: 0 }), 'a whole number of days from 1'],
  [{ version: 1, where: { attribute: 'none', op: 'is', value: 1 } }, 'the name of an attribute'],
  [{ version: 1, where: { attribute: 'a_number', op: 'is', value: 'x' } }, 'must be a number'],
  [{ version: 1, where: { attribute: 'a_text', op: 'at_least', value: 'x' } }, 'for the type text'],
  [{ version: 1, where: { field: 'name', attribute: 'a_text' } }, 'not both'],
])('the filter %j is refused with its place', async (filter, message) => {
  await expect(count(filter)).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining(message),
  })
})

test('what is no JSON, or too long, is refused in words', async () => {
  for (const [filterJson, message] of [
    ['{', 'The filter is no JSON'],
    ['', 'The filter is no JSON'],
    [`"${'x'.repeat(8_000)}"`, 'The filter has more than 8000 characters'],
  ] as const)
    await expect(system.contacts.countContacts({ filterJson }, call)).rejects.toMatchObject({
      failure: 'invalid',
      message,
    })
})

test.each([
  ['UTC', '2026-03-29T00:30:00Z', 0, '2026-03-29T00:00:00Z'],
  ['Europe/Berlin', '2026-03-29T22:30:00Z', 0, '2026-03-29T22:00:00Z'],
  ['Europe/Berlin', '2026-03-29T21:30:00Z', 0, '2026-03-28T23:00:00Z'],
  ['Europe/Berlin', '2026-03-30T10:00:00Z', 2, '2026-03-27T23:00:00Z'],
  ['America/Sao_Paulo', '2026-01-01T02:59:00Z', 0, '2025-12-31T03:00:00Z'],
  ['Asia/Kolkata', '2026-01-01T18:29:00Z', 1, '2025-12-30T18:30:00Z'],
] as const)('in %s at %s the day %i days ago began at %s', (zone, now, back, began) => {
  expect(daysAgo(new Date(now), zone, back)).toEqual(new Date(began))
})
