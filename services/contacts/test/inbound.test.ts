import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  importCsv,
  inbound,
  person,
  recordPeople,
  startContacts,
  type TestContacts,
} from './fixtures.ts'

let system: TestContacts
beforeAll(async () => {
  system = await startContacts()
})
afterAll(() => system?.[Symbol.asyncDispose]())

let last = 100_000
/** A number that no other test uses. */
const number = () => `4915100${++last}`
const contact = (id: string) => system.contacts.getContact({ id }, system.call)
const consentsOf = (id: string) =>
  system.world.sql<{ kind: string; via: string }>(
    'select kind, via from contacts.consents where contact_id = $1 order by id',
    [id],
  )

test('one person is one contact, within a batch and across batches, and its order is kept', async () => {
  const [a, b] = [number(), number()]
  const first = await inbound(system, { waId: a }, { waId: b }, { waId: a, profileName: 'Ada' })
  expect(first[0]).toBe(first[2])
  expect(first[0]).not.toBe(first[1])
  expect(await inbound(system, { waId: b }, { waId: a })).toEqual([first[1], first[0]])
})

test('a user id and a number that come together are one contact from then on', async () => {
  const waId = number()
  const [byNumber] = await inbound(system, { waId })
  const [both] = await inbound(system, { waId, userId: 'DE.together' })
  const [byUserId] = await inbound(system, { waId: 'DE.together' })
  expect([both, byUserId]).toEqual([byNumber, byNumber])
  expect(await contact(byNumber!)).toMatchObject({ phone: waId, waId, userId: 'DE.together' })
})

test('two contacts who turn out to be one person are merged: the older stays, nothing is lost, and a stop counts', async () => {
  const waId = number()
  const userId = `DE.${waId}`
  const [older] = await inbound(system, { waId, profileName: 'Ada', atMs: 1_000 })
  const [younger] = await inbound(system, { userId, profileName: 'A.', atMs: 3_000 })
  await system.world.sql(
    `update contacts.contacts set attributes = '{"city":"Ulm"}' where id = $1`,
    [younger],
  )
  await system.world.sql(
    `insert into contacts.contact_tags (account_id, tag, contact_id) values ($1, 'vip', $2)`,
    [system.call.accountId, younger],
  )
  const answer = await recordPeople(system.contacts, [
    {
      accountId: system.call.accountId,
      waId,
      userId,
      text: 'stop',
      wamid: `w-${waId}`,
      atMs: 2_000,
    },
  ])
  expect(answer).toEqual({ contactIds: [older], merged: [{ contactId: younger, into: older }] })
  const all = {
    id: older,
    name: 'A.',
    phone: waId,
    waId,
    userId,
    optedOut: true,
    tags: ['vip'],
    attributesJson: '{"city": "Ulm"}',
  }
  expect(await contact(older!)).toMatchObject({ ...all, lastInboundAtMs: 3_000 })
  expect(await contact(younger!)).toMatchObject(all)
  expect(await inbound(system, { userId }, { waId })).toEqual([older, older])
})

test('contacts that are merged keep the attributes of the older one, and of the younger what fits in 32,000 characters', async () => {
  const waId = number()
  const userId = `DE.${waId}`
  const [older] = await inbound(system, { waId })
  const [younger] = await inbound(system, { userId })
  const carry = (id: string, attributes: Record<string, string>) =>
    system.world.sql('update contacts.contacts set attributes = $2 where id = $1', [
      id,
      JSON.stringify(attributes),
    ])
  await carry(older!, { both: 'older', old: 'x'.repeat(20_000) })
  await carry(younger!, { both: 'younger', a: 'x'.repeat(10_000), b: 'x'.repeat(10_000) })
  await inbound(system, { waId, userId })
  const attributes = JSON.parse((await contact(older!)).attributesJson)
  expect(attributes).toMatchObject({ both: 'older' })
  expect(Object.keys(attributes).sort()).toEqual(['a', 'both', 'old'])
})

test('a start of one contact does not take back the stop of another that it is merged with, but a later one does', async () => {
  const waId = number()
  const userId = `DE.${waId}`
  await inbound(system, { waId, text: 'stop', wamid: `s-${waId}`, atMs: 1_000 })
  await inbound(system, { userId, text: 'start', wamid: `t-${waId}`, atMs: 2_000 })
  const [id] = await inbound(system, { waId, userId, text: 'hello', atMs: 3_000 })
  expect(await contact(id!)).toMatchObject({ optedOut: true })
  await inbound(system, { userId, text: 'start', wamid: `u-${waId}`, atMs: 2_001 })
  expect(await contact(id!)).toMatchObject({ optedOut: false })
})

test('one batch merges every contact that a chain of its elements connects', async () => {
  const numbers = [number(), number(), number()]
  const ids = await inbound(system, ...numbers.map((waId) => ({ waId })))
  const [a, b, c] = numbers as [string, string, string]
  const move = { waId: b, movedFromWaId: a }
  const found = await inbound(system, move, {
    waId: c,
    movedFromWaId: b,
    atMs: person({}).atMs + 1,
  })
  expect(found).toEqual([ids.sort()[0], ids[0]])
  expect(await contact(ids[2]!)).toMatchObject({ id: ids[0], phone: c, waId: c })
})

test('merges of the same people by several calls at once end with one contact each', async () => {
  const pairs = Array.from({ length: 20 }, () => number()).map((waId) => ({
    waId,
    userId: `DE.${waId}`,
  }))
  await inbound(system, ...pairs.map(({ waId }) => ({ waId })))
  await inbound(system, ...pairs.map(({ userId }) => ({ userId })).toReversed())
  const both = [pairs, pairs.toReversed(), pairs, pairs.toReversed()]
  const answers = await Promise.all(both.map((people) => inbound(system, ...people)))
  expect(answers[0]).toHaveLength(new Set(answers.flat()).size)
})

test('a person who changes number keeps contact and stop; messages from before, however late, do not bring the old number back', async () => {
  const [old, now] = [number(), number()]
  const before = { waId: old, text: 'stop', wamid: `w-${old}`, atMs: 1_000 }
  const move = { waId: now, movedFromWaId: old, silent: true, atMs: 2_000 }
  for (const order of [
    [before, move],
    [move, before],
  ]) {
    const here = { ...system, call: { accountId: randomUUID() } }
    for (const element of order) await inbound(here, element)
    const ids = await inbound(here, { waId: old, atMs: 1_500 }, { waId: now, atMs: 3_000 })
    expect(ids[1]).toBe(ids[0])
    const found = await here.contacts.getContact({ id: ids[0]! }, here.call)
    expect(found).toMatchObject({ phone: now, waId: now, optedOut: true })
  }
})

test('a new user id takes the place of the old one, and news of it is no message', async () => {
  const [id] = await inbound(system, { waId: number(), userId: 'DE.was', atMs: 1_000 })
  expect(
    await inbound(system, {
      userId: 'DE.is',
      movedFromUserId: 'DE.was',
      silent: true,
      atMs: 2_000,
    }),
  ).toEqual([id])
  expect(await contact(id!)).toMatchObject({ userId: 'DE.is', lastInboundAtMs: 1_000 })
  expect(await inbound(system, { userId: 'DE.was', atMs: 500 })).toEqual([id])
  expect(await contact(id!)).toMatchObject({ userId: 'DE.is' })
})

test('a row of a list can say stop, and takes no stop back: a menu has rows such as "Start"', async () => {
  const waId = number()
  const [id] = await inbound(system, {
    waId,
    text: 'STOP',
    wamid: 'w-stop',
    button: true,
    stopOnly: true,
    atMs: 1_000,
  })
  expect(await contact(id!)).toMatchObject({ optedOut: true })
  await inbound(system, {
    waId,
    text: 'start\nStart',
    wamid: 'w-row',
    button: true,
    stopOnly: true,
    atMs: 2_000,
  })
  expect(await contact(id!)).toMatchObject({ optedOut: true })
  await inbound(system, {
    waId,
    text: 'start\nStart',
    wamid: 'w-button',
    button: true,
    atMs: 3_000,
  })
  expect(await contact(id!)).toMatchObject({ optedOut: false })
})

test('a button stops by its payload or its text, and the consent tells it from a word', async () => {
  const [byText, byPayload, neither] = await inbound(
    system,
    { waId: number(), text: 'offers\nStop promotions', wamid: 'w-by-text', button: true },
    { waId: number(), text: 'STOP\nNo more of this', wamid: 'w-by-payload', button: true },
    { waId: number(), text: 'please\nstop by', wamid: 'w-neither', button: true },
  )
  for (const id of [byText!, byPayload!])
    expect(await consentsOf(id)).toEqual([{ kind: 'opt_out', via: 'button' }])
  expect(await consentsOf(neither!)).toEqual([])
})

test('the last inbound time only grows, and a profile name only gives way to a later one', async () => {
  const waId = number()
  const [id] = await inbound(system, { waId, profileName: 'First', atMs: 2_000 })
  await inbound(system, { waId, profileName: 'Second', atMs: 1_000 })
  expect(await contact(id!)).toMatchObject({
    name: 'First',
    lastInboundAtMs: 2_000,
    source: 'webhook',
  })
})

test("the account's name for a person stays, whether it or the person's own came first", async () => {
  const [before, after] = [number(), number()]
  await inbound(system, { waId: before, profileName: 'ada ✨', atMs: 1_000 })
  await importCsv(system, `phone,name\n+${before},Ada Lovelace\n+${after},Grace Hopper\n`)
  const ids = await inbound(
    system,
    { waId: before, profileName: 'Ada!', atMs: 2_000 },
    { waId: after, profileName: 'g.', username: 'grace', atMs: 2_000 },
  )
  expect(await Promise.all(ids.map(contact))).toMatchObject([
    { name: 'Ada Lovelace', profileName: 'Ada!' },
    { name: 'Grace Hopper', profileName: 'g.', username: 'grace' },
  ])
})

test('a name with characters that PostgreSQL refuses does not refuse the batch', async () => {
  const [id] = await inbound(system, { waId: number(), profileName: 'A\u0000b\ud800' })
  expect((await contact(id!)).name).toBe('Ab\ufffd')
})

test('STOP opts out, the same webhook again adds nothing, and a later START opts in again', async () => {
  const waId = number()
  const stop = { waId, text: ' Stop ', wamid: 'w-stop', atMs: 1_000 }
  const [id] = await inbound(system, stop)
  await inbound(system, stop, stop)
  expect(await contact(id!)).toMatchObject({ optedOut: true })
  expect(await consentsOf(id!)).toEqual([{ kind: 'opt_out', via: 'word' }])
  await inbound(system, { waId, text: 'start', wamid: 'w-start', atMs: 2_000 })
  expect(await contact(id!)).toMatchObject({ optedOut: false })
})

test.each([
  ['an older START that arrives after a STOP changes nothing', 2_000, 1_000, true],
  ['a STOP and a START of the same second mean stop', 1_000, 1_000, true],
  ['a START that arrives before an older STOP wins', 1_000, 2_000, false],
])('%s', async (_name, stopAtMs, startAtMs, optedOut) => {
  const waId = number()
  const stop = { waId, text: 'STOP', wamid: `s${last}`, atMs: stopAtMs }
  const start = { waId, text: 'START', wamid: `t${last}`, atMs: startAtMs }
  const [id] = await inbound(system, optedOut ? stop : start)
  await inbound(system, optedOut ? start : stop)
  expect(await contact(id!)).toMatchObject({ optedOut })
})

test("Meta's preference stops and resumes marketing, and opens no window", async () => {
  const waId = number()
  const [id] = await inbound(system, { waId, preference: 'stop', atMs: 1_000 })
  expect(await contact(id!)).toMatchObject({ optedOut: true, lastInboundAtMs: undefined })
  await inbound(system, { waId, preference: 'resume', atMs: 2_000 })
  expect(await contact(id!)).toMatchObject({ optedOut: false })
})

test('a person without an id refuses the call as invalid', async () => {
  await expect(
    inbound(system, { waId: number() }, { profileName: 'Nobody' }),
  ).rejects.toMatchObject({ failure: 'invalid' })
})

test('the answer names people by their refs, and a ref that two people of a call have is refused', async () => {
  const { accountId } = system.call
  const people = ['b', 'a'].map((ref) => person({ accountId, ref, userId: `DE.ref${ref}` }))
  const { contactIds } = await system.contacts.recordInbound({ people }, {})
  for (const ref of ['a', 'b'])
    expect(await system.contacts.getContact({ id: contactIds[ref]! }, { accountId })).toMatchObject(
      { userId: `DE.ref${ref}` },
    )
  const twice = people.map((person) => ({ ...person, ref: 'a' }))
  await expect(system.contacts.recordInbound({ people: twice }, {})).rejects.toThrow(
    'Two people have the ref "a"; give each its own',
  )
})
