import { randomUUID } from 'node:crypto'
import type { CreateContactRequest } from '@lockstep/rpc/gen/contacts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importCsv, inbound, startContacts, type TestContacts } from './fixtures.ts'

let system: TestContacts
beforeAll(async () => {
  system = await startContacts()
})
afterAll(() => system?.[Symbol.asyncDispose]())

const create = (request: Partial<CreateContactRequest>) =>
  system.contacts.createContact(request, system.call)
const get = (id: string) => system.contacts.getContact({ id }, system.call)
const list = async (tag: string) =>
  (await system.contacts.listContacts({ tag, limit: 200 }, system.call)).contacts

test('a number that is written in any way is one contact, and the answer says whether it was there', async () => {
  const first = await create({ phone: '+49 1512 0000001', name: 'Ana' })
  expect(first).toMatchObject({
    created: true,
    contact: { name: 'Ana', phone: '4915120000001', source: 'api' },
  })
  for (const [phone, defaultCountry] of [
    ['0049 (1512) 0000001', ''],
    ['01512/0000001', 'DE'],
    ["'+4915120000001", ''],
    ['＋４９ １５１２ ００００００１', ''],
    ['whatsapp:+4915120000001', ''],
    ['1512 0000001', 'de'],
  ] as const)
    expect([phone, await create({ phone, defaultCountry })]).toMatchObject([
      phone,
      { created: false, contact: { id: first.contact!.id } },
    ])
})

test('a number without a country code is read as one of the country of the account', async () => {
  await expect(create({ phone: '01512 0000002' })).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('has no country code'),
  })
  await system.contacts.setContactSettings({ defaultCountry: 'DE' }, system.call)
  expect((await create({ phone: '01512 0000002' })).contact!.phone).toBe('4915120000002')
})

test('whoever is there is completed: what the account has given stays, tags and attributes are added', async () => {
  const phone = '+4915120000003'
  const full = { phone, name: 'Ana', email: 'ana@example.com', tags: ['a'], language: 'pt-br' }
  const { contact } = await create({ ...full, attributes: { city: 'Ulm', size: 'M' } })
  const again = await create({
    ...{ phone, name: 'Other', email: 'other@example.com', timeZone: 'europe/berlin' },
    ...{ tags: ['b'], attributes: { size: 'L' } },
  })
  expect(again).toMatchObject({
    created: false,
    contact: {
      ...{ id: contact!.id, name: 'Ana', email: 'ana@example.com', language: 'pt_BR' },
      ...{ timeZone: 'Europe/Berlin', tags: ['a', 'b'] },
    },
  })
  expect(JSON.parse(again.contact!.attributesJson)).toEqual({ city: 'Ulm', size: 'L' })
})

test('a request that is repeated under its id makes one contact, and says again that it made it', async () => {
  const request = { id: randomUUID(), phone: '+4915120000004', name: 'Ana' }
  const first = await create(request)
  expect(first).toMatchObject({ created: true, contact: { id: request.id } })
  expect(await create(request)).toEqual(first)
  const other = await create({ ...request, id: randomUUID() })
  expect(other).toMatchObject({ created: false, contact: { id: request.id } })
  await system.contacts.forgetContact({ id: request.id }, system.call)
  await expect(create(request)).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('forgotten'),
  })
})

test('requests, messages and a file that name one person at once make one contact', async () => {
  const digits = '4915120000005'
  const [file, ...made] = await Promise.all([
    importCsv(system, `phone,tags\n+${digits},file\n`),
    ...Array.from({ length: 8 }, (_, i) => create({ phone: `+${digits}`, tags: [`t${i}`] })),
    ...Array.from({ length: 8 }, () => inbound(system, { waId: digits, profileName: 'Ana' })),
  ])
  expect(file).toMatchObject({ state: 'done', rows: 1, rejected: 0 })
  const ids = made.map((one) => ('contact' in one ? one.contact!.id : one[0]))
  expect(new Set(ids).size).toBe(1)
  expect(made.filter((one) => 'created' in one && one.created).length).toBeLessThanOrEqual(1)
  expect(await get(ids[0]!)).toMatchObject({
    name: 'Ana',
    tags: ['file', 't0', 't1', 't2', 't3', 't4', 't5', 't6', 't7'],
  })
})

test('who is archived is in no list and audience, is not written to, and keeps what they said', async () => {
  const { contact } = await create({ phone: '+4915120000006', tags: ['archive'] })
  const { contact: other } = await create({ phone: '+4915120000007', tags: ['archive'] })
  const id = contact!.id
  await system.contacts.recordConsent({ contactId: id, kind: 'opt_out', evidence: '' }, system.call)
  for (let times = 0; times < 2; times++) await system.contacts.archiveContact({ id }, system.call)
  expect((await list('archive')).map((one) => one.id)).toEqual([other!.id])
  expect((await list('')).map((one) => one.id)).not.toContain(id)
  const asked = { contactIds: [id, other!.id], category: 'AUTHENTICATION' }
  const { results } = await system.contacts.checkSendable(asked, system.call)
  expect(results.map(({ refusal }) => refusal)).toEqual(['deleted', ''])
  const audience = []
  const filter = { tags: ['archive'] }
  for await (const batch of system.contacts.streamAudience({ filter }, system.call))
    audience.push(...batch.contacts.map((one) => one.id))
  expect(audience).toEqual([other!.id])
  expect(await get(id)).toMatchObject({ optedOut: true, archivedAtMs: expect.any(Number) })
})

test.each([
  ['writes', (waId: string) => inbound(system, { waId })],
  ['is imported', (digits: string) => importCsv(system, `phone\n+${digits}\n`)],
  ['is created', (digits: string) => create({ phone: `+${digits}` })],
])('who was archived and %s is back in the lists', async (_how, come) => {
  const digits = `491512000${1000 + back++}`
  const { contact } = await create({ phone: `+${digits}`, tags: ['back'] })
  await system.contacts.archiveContact({ id: contact!.id }, system.call)
  expect((await list('back')).map((one) => one.id)).not.toContain(contact!.id)
  await come(digits)
  expect((await list('back')).map((one) => one.id)).toContain(contact!.id)
})
let back = 0

test('who sends nothing but a notice, or is named by an answer to a send, stays archived', async () => {
  const { contact } = await create({ phone: '+4915120000008' })
  const { id } = contact!
  await system.contacts.archiveContact({ id }, system.call)
  await inbound(system, { waId: '4915120000008', silent: true })
  await inbound(system, { waId: '4915120000008', preference: 'stop' })
  expect(await get(id)).toMatchObject({ archivedAtMs: expect.any(Number), optedOut: true })
})

test.each([
  [{ phone: 'nobody' }, '"phone": "nobody" is not a phone number'],
  [{ phone: '4.91512E+12' }, 'was shortened by a spreadsheet'],
  [{ defaultCountry: 'XX' }, '"default_country" must be the two letters'],
  [{ email: 'ana' }, '"email" is "ana", which is no e-mail address'],
  [{ language: 'German' }, '"language" is "German"; it must be a language such as de'],
  [{ timeZone: 'Berlin' }, '"time_zone" is "Berlin"; it must be one such as Europe/Berlin'],
  [{ timeZone: '+02:00' }, '"time_zone" is "+02:00"'],
  [{ tags: ['x'.repeat(65)] }, '"tags" must hold tags of 1 to 64 characters'],
  [{ tags: Array.from({ length: 201 }, (_, i) => `${i}`) }, '"tags" names 201 tags, at most 200'],
  [{ attributes: { city: 'x'.repeat(1_025) } }, '"attributes.city" is longer than 1024 characters'],
  [{ attributes: { ' ': 'x' } }, '"attributes" must name each attribute'],
  [
    { attributes: Object.fromEntries([...Array(40).keys()].map((i) => [i, 'x'.repeat(1_000)])) },
    'more than 32,000 characters of attributes',
  ],
])('a contact is not created from %j, in words', async (request, message) => {
  await expect(create({ phone: '+4915120000009', ...request })).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining(message),
  })
  const { contacts } = await system.contacts.listContacts({ limit: 200 }, system.call)
  expect(contacts.map(({ phone }) => phone)).not.toContain('4915120000009')
})

const change = (id: string, request: object) =>
  system.contacts.updateContact({ id, ...request }, system.call)

test('a change touches what it names, and an empty name is the one that the person goes by', async () => {
  const [id] = await inbound(system, { waId: '4915120000010', profileName: 'ana 🌸' })
  const all = { name: 'Ana', email: 'a@example.com', language: 'de', timeZone: 'Europe/Berlin' }
  expect(await change(id!, { ...all, attributes: { city: 'Ulm', size: 'M' } })).toMatchObject(all)
  const changed = await change(id!, {
    ...{ name: '', email: '' },
    ...{ attributes: { size: 'L' }, removedAttributes: ['city', 'nothing'] },
  })
  expect(changed).toMatchObject({ ...all, name: 'ana 🌸', email: '' })
  expect(JSON.parse(changed.attributesJson)).toEqual({ size: 'L' })
  await inbound(system, { waId: '4915120000010', profileName: 'Ana B.', atMs: Date.now() })
  expect((await get(id!)).name).toBe('Ana B.')
})

test('tags are set, added and removed; those that are added at once are all there', async () => {
  const { contact } = await create({ phone: '+4915120000011', tags: ['a', 'b'] })
  const { id } = contact!
  const tagged = await change(id, { addedTags: ['c', 'a'], removedTags: ['b', 'x'] })
  expect(tagged.tags).toEqual(['a', 'c'])
  const names = Array.from({ length: 12 }, (_, i) => `t${i}`)
  await Promise.all(names.map((tag) => change(id, { addedTags: [tag] })))
  expect((await get(id)).tags).toEqual(['a', 'c', ...names].sort())
  expect((await change(id, { tags: { tags: ['z', 'a'] } })).tags).toEqual(['a', 'z'])
  expect((await change(id, { tags: { tags: [] } })).tags).toEqual([])
  await expect(change(id, { tags: { tags: ['a'] }, addedTags: ['b'] })).rejects.toMatchObject({
    failure: 'invalid',
    message: expect.stringContaining('name it alone'),
  })
})

test('a contact that is none, another account’s or forgotten is changed, archived and forgotten by nobody', async () => {
  const { contact } = await create({ phone: '+4915120000012' })
  const { id } = contact!
  const stranger = { accountId: randomUUID() }
  const orders = [
    (call: object, of = id) => system.contacts.updateContact({ id: of, name: 'Mine' }, call),
    (call: object, of = id) => system.contacts.archiveContact({ id: of }, call),
    (call: object, of = id) => system.contacts.forgetContact({ id: of }, call),
  ]
  for (const order of orders) {
    await expect(order(stranger)).rejects.toMatchObject({ failure: 'not_found' })
    await expect(order(system.call, randomUUID())).rejects.toMatchObject({ failure: 'not_found' })
  }
  expect(await get(id)).toEqual(contact)
  await system.contacts.forgetContact({ id }, system.call)
  for (const order of orders)
    await expect(order(system.call)).rejects.toMatchObject({ failure: 'not_found' })
  await expect(get(id)).rejects.toMatchObject({ failure: 'not_found' })
})
