import { randomUUID } from 'node:crypto'
import { consentKinds, consentVias } from '@lockstep/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  importCsv,
  inbound,
  startContacts,
  type TestContacts,
  updateIdentities,
} from './fixtures.ts'

let system: TestContacts
beforeAll(async () => {
  system = await startContacts()
})
afterAll(() => system?.[Symbol.asyncDispose]())

const check = async (marketing: boolean, ...contactIds: string[]) =>
  (
    await system.contacts.checkSendable(
      { contactIds, category: marketing ? 'MARKETING' : 'AUTHENTICATION' },
      system.call,
    )
  ).results
const say = (contactId: string, kind: string) =>
  system.contacts.recordConsent({ contactId, kind, evidence: 'by phone' }, system.call)

test('an opted-out contact is refused marketing only, a blocked one everything, until it is taken back', async () => {
  const [id] = await inbound(system, { waId: '4915100000001' })
  expect(await say(id!, 'opt_out')).toMatchObject({ optedOut: true, blocked: false })
  expect((await check(true, id!))[0]!.refusal).toBe('opted_out')
  expect((await check(false, id!))[0]!.refusal).toBe('')
  await say(id!, 'block')
  expect((await check(false, id!))[0]!.refusal).toBe('blocked')
  await say(id!, 'unblock')
  await say(id!, 'opt_in')
  expect((await check(true, id!))[0]!.refusal).toBe('')
})

/** Merges contacts as several elements do one after the other, chains included. */
const merge = (from: string, into: string) =>
  system.world.sql('update contacts.contacts set merged_into = $2 where id = $1', [from, into])

test('answers come in the order asked, a merged contact by its survivor, an unknown one as deleted', async () => {
  const [a, b, c] = await inbound(
    system,
    { waId: '4915100000011' },
    { waId: '4915100000012' },
    { waId: '4915100000013' },
  )
  await merge(b!, a!)
  await merge(c!, b!)
  await say(a!, 'opt_out')
  const nobody = randomUUID()
  expect(await check(true, nobody, c!, 'nonsense', a!)).toMatchObject([
    { contactId: nobody, refusal: 'deleted', otherContactIds: [] },
    { contactId: c, refusal: 'opted_out' },
    { contactId: 'nonsense', refusal: 'deleted', otherContactIds: [] },
    { contactId: a, refusal: 'opted_out' },
  ])
  expect((await system.contacts.getContact({ id: c! }, system.call)).id).toBe(a)
})

test('each contact comes with all others of its person, however they were merged, and never with itself or a stranger', async () => {
  const numbers = Array.from({ length: 8 }, (_, i) => ({ waId: `49151000002${10 + i}` }))
  const ids = await inbound(system, ...numbers)
  const [a, b, c, hub, left, right, below, alone] = ids as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  for (const [from, into] of [
    [a, b],
    [b, c],
    [left, hub],
    [right, hub],
    [below, left],
  ] as const)
    await merge(from, into)
  const people = [[a, b, c], [hub, left, right, below], [alone]]
  for (const asked of [ids, ids.toReversed(), ...ids.map((id) => [id])])
    for (const { contactId, otherContactIds } of await check(false, ...asked)) {
      const person = people.find((one) => one.includes(contactId))!
      expect(otherContactIds.toSorted()).toEqual(person.filter((id) => id !== contactId).toSorted())
    }
})

test.each([
  ['a STOP of the same second as an opt-in of a caller counts', 0, true],
  [
    'a STOP that seems older than an opt-in of a caller by less than a minute counts: our clock may be ahead of Meta',
    58_000,
    true,
  ],
  [
    'a STOP that is more than a minute older than an opt-in of a caller was taken back by it',
    62_000,
    false,
  ],
])('%s', async (_name, olderMs, optedOut) => {
  const waId = `491510000003${olderMs / 1_000}`
  const [id] = await inbound(system, { waId })
  await say(id!, 'opt_in')
  const [said] = await system.world.sql<{ at: Date }>(
    'select said_at as at from contacts.consents where contact_id = $1',
    [id],
  )
  const atMs = Math.floor((said!.at.getTime() - olderMs) / 1_000) * 1_000
  await inbound(system, { waId, text: 'STOP', wamid: `w-${waId}`, atMs })
  expect((await check(true, id!))[0]!.refusal).toBe(optedOut ? 'opted_out' : '')
  await inbound(system, { waId, text: 'START', wamid: `u-${waId}`, atMs: atMs + 1_000 })
  expect((await check(true, id!))[0]!.refusal).toBe('')
})

test('an import can add an opt-out and never removes one', async () => {
  const [stopped, free] = await inbound(
    system,
    { waId: '4915100000021', text: 'stop', wamid: 'w1' },
    { waId: '4915100000022' },
  )
  await importCsv(system, 'phone,opted_out\n+4915100000021,no\n+4915100000022,yes\n')
  await importCsv(system, 'phone\n+4915100000021\n+4915100000022\n')
  expect((await check(true, stopped!, free!)).map((r) => r.refusal)).toEqual([
    'opted_out',
    'opted_out',
  ])
})

test('what was said under a number counts for a contact that is made anew with it', async () => {
  const [gone] = await inbound(system, { waId: '4915100000031', text: 'stop', wamid: 'w2' })
  await system.world.sql('delete from contacts.identities where contact_id = $1', [gone])
  await system.world.sql('delete from contacts.contacts where id = $1', [gone])
  await importCsv(system, 'phone\n+4915100000031\n')
  const [again] = await inbound(system, { waId: '4915100000031' })
  expect(again).not.toBe(gone)
  expect((await check(true, again!))[0]!.refusal).toBe('opted_out')
})

test('a consent of another kind is refused', async () => {
  const [id] = await inbound(system, { waId: '4915100000041' })
  await expect(say(id!, 'maybe')).rejects.toMatchObject({ failure: 'invalid' })
})

test('ids that an answer to a send named are added to the contact, which is found by them', async () => {
  await importCsv(system, 'phone\n+5531987654321\n')
  const [id] = await inbound(system, { waId: '553187654321' })
  const named = {
    contactId: id!,
    input: '5531987654321',
    waId: '553187654321',
    userId: 'BR.named',
  }
  const { accountId } = system.call
  await updateIdentities(system, { accountId, ...named }, { accountId, ...named })
  await expect
    .poll(async () => (await system.contacts.getContact({ id: id! }, system.call)).userId, {
      timeout: 15_000,
    })
    .toBe('BR.named')
  expect(await inbound(system, { userId: 'BR.named' })).toEqual([id])
  expect(await system.contacts.getContact({ id: id! }, system.call)).toMatchObject({
    phone: '5531987654321',
    userId: 'BR.named',
  })
})

const refusal = (fields: object) => ({
  accountId: system.call.accountId,
  contactId: '',
  waId: '',
  userId: '',
  atMs: 1_800_000_000_000,
  ...fields,
})
const tell = (...refusals: ReturnType<typeof refusal>[]) =>
  system.contacts.recordRefusals({ refusals: refusals as never }, {})
const consentsOf = (id: string) =>
  system.world.sql(
    'select kind, via, said_at from contacts.consents where contact_id = $1 order by kind',
    [id],
  )

test('what Meta said of a recipient is recorded when it is answered: a stop, or a block; repeated, it adds nothing', async () => {
  const [id, by] = await inbound(
    system,
    { waId: '4915100000051' },
    { waId: '4915100000052', userId: 'DE.refused' },
  )
  const said = [
    refusal({ contactId: id, code: 131050 }),
    refusal({ userId: 'DE.refused', waId: '4915100000052', code: 130403 }),
  ]
  for (const _ of [1, 2]) {
    await tell(...said)
    expect((await check(true, id!, by!)).map((r) => r.refusal)).toEqual(['opted_out', 'blocked'])
    expect((await check(false, id!, by!)).map((r) => r.refusal)).toEqual(['', 'blocked'])
  }
  const at = new Date(1_800_000_000_000)
  expect(await consentsOf(id!)).toEqual([{ kind: 'opt_out', via: 'error_131050', said_at: at }])
  expect(new Set((await consentsOf(by!)).map((row) => JSON.stringify(row)))).toEqual(
    new Set([JSON.stringify({ kind: 'block', via: 'error_130403', said_at: at })]),
  )
})

test('a refusal counts for the survivor of a merge, for nobody of another account, and makes no contact', async () => {
  const [gone, left, stranger] = await inbound(
    system,
    { waId: '4915100000061' },
    { waId: '4915100000062' },
    { waId: '4915100000063' },
  )
  await merge(gone!, left!)
  const other = { accountId: randomUUID() }
  const before = await system.world.sql('select count(*)::int from contacts.contacts')
  await tell(
    refusal({ contactId: gone, code: 130403 }),
    refusal({ ...other, contactId: stranger, code: 131050 }),
    refusal({ ...other, waId: '4915100000063', code: 131050 }),
    refusal({ waId: '4915100000069', code: 131050 }),
    refusal({ contactId: 'nonsense', code: 131050 }),
  )
  expect((await check(true, left!, stranger!)).map((r) => r.refusal)).toEqual(['blocked', ''])
  expect(await system.world.sql('select count(*)::int from contacts.contacts')).toEqual(before)
  await expect(tell(refusal({ contactId: left, code: 131026 }))).rejects.toMatchObject({
    failure: 'invalid',
  })
})

test('the database refuses a kind or a way of saying it that the vocabulary does not name', async () => {
  const insert = (kind: string, via: string) =>
    system.world.sql(
      `insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
       values ($1, 'number', '1', $1, $2, $3, '', now())`,
      [randomUUID(), kind, via],
    )
  for (const kind of consentKinds) await insert(kind, 'api')
  for (const via of consentVias) await insert('opt_out', via)
  await expect(insert('maybe', 'api')).rejects.toThrow(/consents_kind_check/)
  await expect(insert('opt_out', 'rumour')).rejects.toThrow(/consents_via_check/)
})
