import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allContacts, importCsv, inbound, startContacts, type TestContacts } from './fixtures.ts'

let system: TestContacts
beforeAll(async () => {
  system = await startContacts()
})
afterAll(() => system?.[Symbol.asyncDispose]())

async function audience(tags: string[], marketing = true, call = system.call, after?: string) {
  const all = []
  for await (const batch of system.contacts.streamAudience(
    { filter: { tags }, category: marketing ? 'MARKETING' : 'AUTHENTICATION', after },
    call,
  ))
    all.push(...batch.contacts)
  return all
}

test('an audience of several pages holds everyone with one of the tags once, in id order', async () => {
  const rows = Array.from(
    { length: 2_500 },
    (_, i) => `+4915100${100_000 + i},${i % 5 === 0 ? 'other' : i % 2 ? 'a;both' : 'b|both'}`,
  )
  await importCsv(system, `phone,tags\n${rows.join('\n')}\n`)
  const found = await audience(['a', 'b'])
  const ids = found.map((contact) => contact.id)
  expect(ids).toHaveLength(2_000)
  expect(ids).toEqual([...new Set(ids)].toSorted())
  expect(await audience(['nobody has it'])).toEqual([])
})

test('an audience goes on after the contact where its reader stopped', async () => {
  const ids = (await audience(['a', 'b'])).map((contact) => contact.id)
  for (const at of [0, 998, 999, 1_000, 1_999]) {
    const rest = await audience(['b', 'a', 'both'], true, system.call, ids[at])
    expect(rest.map((contact) => contact.id)).toEqual(ids.slice(at + 1))
  }
  await expect(audience(['a'], true, system.call, 'nonsense')).rejects.toMatchObject({
    failure: 'not_found',
  })
})

test('each contact comes with the reason why it would be skipped', async () => {
  await importCsv(
    system,
    'phone,tags\n+4915100000001,skip\n+4915100000002,skip\n+4915100000003,skip\n',
  )
  const [stopped, blocked] = await inbound(
    system,
    { waId: '4915100000001', text: 'stop', wamid: 'w' },
    { waId: '4915100000002' },
  )
  await system.contacts.recordConsent(
    { contactId: blocked!, kind: 'block', evidence: '' },
    system.call,
  )
  const reasons = async (marketing: boolean) =>
    new Map((await audience(['skip'], marketing)).map((c) => [c.id, c.skipReason]))
  expect((await reasons(true)).get(stopped!)).toBe('opted_out')
  expect((await reasons(false)).get(stopped!)).toBe('')
  expect((await reasons(false)).get(blocked!)).toBe('blocked')
  expect([...(await reasons(true)).values()].filter((reason) => reason === '')).toHaveLength(1)
})

test('an audience whose contacts carry more than a message can hold comes in smaller batches', async () => {
  const rows = Array.from({ length: 500 }, (_, i) => `+4915100${200_000 + i},wide`)
  await importCsv(system, `phone,tags\n${rows.join('\n')}\n`)
  await system.world.sql(`update contacts.contacts set attributes = jsonb_build_object('note', repeat('x', 40000)) 
    where id in (select contact_id from contacts.contact_tags where tag = 'wide')`)
  expect(await audience(['wide'])).toHaveLength(500)
})

test('an empty filter is refused and never means everybody', async () => {
  await expect(audience([])).rejects.toMatchObject({ failure: 'invalid' })
  await expect(audience(['  '])).rejects.toMatchObject({ failure: 'invalid' })
})

test('a list goes on after the last contact of the page before, and refuses absurd pages', async () => {
  const all = await allContacts(system)
  expect(new Set(all.map((contact) => contact.id)).size).toBe(all.length)
  const tagged = await system.contacts.listContacts(
    { tag: 'skip', after: '', limit: 2 },
    system.call,
  )
  const rest = await system.contacts.listContacts(
    { tag: 'skip', after: tagged.contacts[1]!.id, limit: 2 },
    system.call,
  )
  expect([...tagged.contacts, ...rest.contacts]).toHaveLength(3)
  await expect(
    system.contacts.listContacts({ tag: '', after: '', limit: 201 }, system.call),
  ).rejects.toMatchObject({
    failure: 'invalid',
  })
})

test("another account's contacts and imports are not found, not listed, not written to and not changed", async () => {
  const own = await importCsv(system, 'phone,tags\n+4915100000099,private\n')
  const [id] = await inbound(system, { waId: '4915100000099' })
  const stranger = { accountId: randomUUID() }
  const { contacts } = system
  await expect(contacts.getContact({ id: id! }, stranger)).rejects.toMatchObject({
    failure: 'not_found',
  })
  await expect(
    contacts.recordConsent({ contactId: id!, kind: 'block', evidence: '' }, stranger),
  ).rejects.toMatchObject({
    failure: 'not_found',
  })
  await expect(contacts.getImport({ id: own.id }, stranger)).rejects.toMatchObject({
    failure: 'not_found',
  })
  await expect(
    contacts.listImportErrors({ id: own.id, afterLine: 0, limit: 0 }, stranger),
  ).rejects.toMatchObject({ failure: 'not_found' })
  expect(
    (await contacts.listContacts({ tag: '', after: '', limit: 0 }, stranger)).contacts,
  ).toEqual([])
  expect(await audience(['private'], true, stranger)).toEqual([])
  expect(
    (await contacts.checkSendable({ contactIds: [id!], category: 'AUTHENTICATION' }, stranger))
      .results[0]!.refusal,
  ).toBe('deleted')
  const [foreign] = await inbound(
    { contacts, call: stranger },
    { waId: '4915100000099', text: 'stop', wamid: 'w' },
  )
  expect(foreign).not.toBe(id)
  expect(await contacts.getContact({ id: id! }, system.call)).toMatchObject({
    optedOut: false,
    blocked: false,
  })
})
