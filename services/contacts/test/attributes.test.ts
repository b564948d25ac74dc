import { randomUUID } from 'node:crypto'
import type { CreateAttributeRequest } from '@lockstep/rpc/gen/contacts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { readValue } from '../src/attributes/attribute.ts'
import { importCsv, inbound, startContacts, type TestContacts } from './fixtures.ts'

let system: TestContacts
let call: { accountId: string }
beforeAll(async () => {
  system = await startContacts()
})
beforeEach(() => {
  call = { accountId: randomUUID() }
})
afterAll(() => system?.[Symbol.asyncDispose]())

const define = (request: Partial<CreateAttributeRequest>) =>
  system.contacts.createAttribute({ name: 'size', type: 'text', ...request }, call)
const indexed = (id: string) =>
  until(async () => {
    const { attributes } = await system.contacts.listAttributes({}, call)
    return attributes.find((one) => one.id === id)?.isIndexing === false
  })
let last = 0
const create = async (attributes: Record<string, string>) => {
  const phone = `+49151400${10_000 + last++}`
  return (await system.contacts.createContact({ phone, attributes }, call)).contact!
}
const attributesOf = async (id: string) =>
  JSON.parse((await system.contacts.getContact({ id }, call)).attributesJson)
/** What is indexed of a contact. */
const valuesOf = async (id: string) =>
  (
    await system.world.sql<{ value: string }>(
      `select coalesce(text_value, number_value::text, date_value::text) as value
       from contacts.contact_values where contact_id = $1 order by 1`,
      [id],
    )
  ).map(({ value }) => value)

test.each([
  ['number', ' +12 ', '12'],
  ['number', '-0.50', '-0.50'],
  ['date', '2024-02-29', '2024-02-29'],
  ['boolean', 'Yes', 'true'],
  ['boolean', '0', 'false'],
  ['choice', 'm', 'M'],
  ['text', ' as it is ', ' as it is '],
] as const)('a %s of "%s" is "%s"', (type, text, value) => {
  const attribute = { id: '', accountId: '', name: 'x', label: 'x', type, choices: ['S', 'M'] }
  expect(readValue(attribute, text)).toEqual({ value })
})

test.each([
  ['number', '1e9', 'must be a number, such as 12 or -0.5'],
  ['number', '1,5', 'must be a number, such as 12 or -0.5'],
  ['date', '2023-02-29', 'must be a day such as 2026-12-24'],
  ['date', '24.12.2026', 'must be a day such as 2026-12-24'],
  ['boolean', 'perhaps', 'must be true or false'],
  ['choice', 'XL', 'must be one of "S", "M"'],
] as const)('a %s of "%s" is none, in words', async (type, text, reason) => {
  const choices = type === 'choice' ? ['S', 'M'] : []
  await define({ type, choices })
  const message = `The attribute "size" ${reason}, but is "${text}"`
  await expect(create({ size: text })).rejects.toMatchObject({ failure: 'invalid', message })
  const { id } = await create({ other: 'x' })
  await expect(
    system.contacts.updateContact({ id, attributes: { size: text } }, call),
  ).rejects.toMatchObject({ failure: 'invalid', message })
  const tenant = { contacts: system.contacts, call }
  const file = `phone,size,opt-out\n+4915140099999,"${text}",\n`
  expect(await importCsv(tenant, file)).toMatchObject({ rows: 1, rejected: 1, created: 0 })
})

test('a stop in a row that is refused for a value counts', async () => {
  await define({ type: 'number' })
  const contact = await create({})
  const file = `phone,size,opt-out\n+${contact.phone},many,yes\n`
  const tenant = { contacts: system.contacts, call }
  expect(await importCsv(tenant, file)).toMatchObject({ rejected: 1 })
  expect((await system.contacts.getContact({ id: contact.id }, call)).optedOut).toBe(true)
})

test('values are indexed as they are written, changed, merged and taken away', async () => {
  await define({ name: 'children', type: 'number' })
  await define({ name: 'born', type: 'date' })
  await define({ name: 'size', type: 'choice', choices: ['S', 'M'] })
  const { id, phone } = await create({ children: '2', size: 's', city: 'Ulm' })
  expect(await valuesOf(id)).toEqual(['2', 'S'])
  const changes = { attributes: { born: '1990-01-02', children: '3' }, removedAttributes: ['size'] }
  await system.contacts.updateContact({ id, ...changes }, call)
  expect(await valuesOf(id)).toEqual(['1990-01-02', '3'])
  expect(await attributesOf(id)).toEqual({ born: '1990-01-02', children: '3', city: 'Ulm' })
  const tenant = { contacts: system.contacts, call }
  await importCsv(tenant, `phone,size,children\n+${phone},m,4\n`)
  expect(await valuesOf(id)).toEqual(['1990-01-02', '4', 'M'])
  const [other] = await inbound(tenant, { userId: `DE.${phone}` })
  await system.contacts.updateContact({ id: other!, attributes: { size: 'S' } }, call)
  const [both] = await inbound(tenant, { waId: phone, userId: `DE.${phone}` })
  const gone = [id, other!].find((one) => one !== both)!
  expect(await valuesOf(gone)).toEqual([])
  expect(await valuesOf(both!)).toEqual(['1990-01-02', '4', 'M'])
  await system.contacts.forgetContact({ id: both! }, call)
  expect(await valuesOf(both!)).toEqual([])
})

test('contacts that were there before an attribute are indexed, archived ones too, and what is no value is none', async () => {
  const ids = []
  for (const size of ['1', '2', 'many', '3']) ids.push((await create({ size })).id)
  await system.contacts.archiveContact({ id: ids[3]! }, call)
  const { id } = await define({ type: 'number' })
  await indexed(id)
  expect(await Promise.all(ids.map(valuesOf))).toEqual([['1'], ['2'], [], ['3']])
  expect(await attributesOf(ids[2]!)).toEqual({ size: 'many' })
})

test('what is written while an attribute is made is indexed, whichever commits first', async () => {
  const contacts = await Promise.all(Array.from({ length: 12 }, () => create({})))
  const [attribute] = await Promise.all([
    define({ type: 'number' }),
    ...contacts.map(({ id }, i) =>
      system.contacts.updateContact({ id, attributes: { size: `${i}` } }, call),
    ),
  ])
  await indexed(attribute!.id)
  for (const [i, { id }] of contacts.entries()) expect(await valuesOf(id)).toEqual([`${i}`])
})

test('an attribute is made once under an id and once under a name, and stays as it is', async () => {
  const request = { id: randomUUID(), type: 'choice', choices: ['S', 'M'] }
  const first = await define(request)
  expect(first).toMatchObject({ id: request.id, name: 'size', label: 'size', choices: ['S', 'M'] })
  expect(await define(request)).toMatchObject({ id: request.id })
  await expect(define({})).rejects.toMatchObject({
    failure: 'conflict',
    message: 'There is an attribute "size"; change it, or take another name',
  })
  const stranger = { accountId: randomUUID() }
  const orders = [
    (by: object) => system.contacts.updateAttribute({ id: request.id, label: 'Mine' }, by),
    (by: object) => system.contacts.deleteAttribute({ id: request.id, keepValues: true }, by),
  ]
  for (const order of orders)
    await expect(order(stranger)).rejects.toMatchObject({ failure: 'not_found' })
  expect((await system.contacts.listAttributes({}, stranger)).attributes).toEqual([])
})

test.each([
  [{ type: 'money' }, '"type" must be one of text, number, date, boolean, choice'],
  [{ name: ' ' }, '"name" is missing'],
  [{ type: 'choice' }, '"choices" must name at least one choice'],
  [{ type: 'choice', choices: ['S', 's'] }, '"choices" must name each choice once'],
  [{ choices: ['S'] }, '"choices" are of the type choice, and this one is text'],
])('an attribute is not made from %j, in words', async (request, message) => {
  await expect(define(request)).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining(message),
  })
})

test('a choice and an attribute that contacts have do not go, in words, unless values are kept as texts', async () => {
  const { id } = await define({ type: 'choice', choices: ['S', 'M', 'L'] })
  await indexed(id)
  const [one, other] = [await create({ size: 'S' }), await create({ size: 'S' })]
  await create({ size: 'M' })
  const change = (choices: string[]) =>
    system.contacts.updateAttribute({ id, label: 'Size', choices: { choices } }, call)
  await expect(change(['M'])).rejects.toMatchObject({
    failure: 'conflict',
    message: '2 contacts have the choice "S", "L" of "size": give them another before it goes',
  })
  expect(await change(['S', 'M', 'XL'])).toMatchObject({ label: 'Size', choices: ['S', 'M', 'XL'] })
  const remove = (keepValues: boolean) => system.contacts.deleteAttribute({ id, keepValues }, call)
  await expect(remove(false)).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('3 contacts have a value of "size": take them away first'),
  })
  await remove(true)
  expect(await attributesOf(one.id)).toEqual({ size: 'S' })
  await until(async () => (await valuesOf(one.id)).length === 0)
  await until(async () => {
    const rows = await system.world.sql(
      'select from contacts.attribute_definitions where account_id = $1',
      [call.accountId],
    )
    return rows.length === 0
  })
  const again = await define({ type: 'text' })
  await indexed(again.id)
  expect(await valuesOf(other.id)).toEqual(['S'])
})
