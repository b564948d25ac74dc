import { randomUUID } from 'node:crypto'
import { type Database, openDatabase } from '@lockstep/database'
import { createSecrets } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deriveFlags, insertConsents } from '../src/db/consents.ts'
import { upsertContacts } from '../src/db/upsert-contacts.ts'
import { phoneIdentity } from '../src/identities/identity.ts'
import { resolveIdentities } from '../src/identities/resolve-identities.ts'
import {
  type person,
  recordPeople,
  startContacts,
  type TestContacts,
  updateIdentities,
} from './fixtures.ts'

let system: TestContacts
let transactions = 0
/** Counts the service's transactions of tenants. */
const counted = (db: Database): Database => ({
  ...db,
  transaction: (...args) => {
    transactions++
    return db.transaction(...args)
  },
})
beforeAll(async () => {
  system = await startContacts({ around: (opened) => ({ ...opened, db: counted(opened.db) }) })
})
afterAll(() => system?.[Symbol.asyncDispose]())

const record = (people: Parameters<typeof person>[0][]) => recordPeople(system.contacts, people)
const contact = (accountId: string, id: string) => system.contacts.getContact({ id }, { accountId })

test('people of many accounts are found, made and stopped in one transaction, and each stays within its account', async () => {
  const accountIds = Array.from({ length: 200 }, () => randomUUID())
  const same = '4915100000001'
  const people = accountIds.flatMap((accountId, i) => [
    { accountId, waId: same, text: i === 7 ? 'stop' : 'hello', wamid: `w${i}` },
    { accountId, waId: `49152${100_000 + i}`, userId: 'DE.same', profileName: `${i}` },
  ])
  const before = transactions
  const first = await record(people)
  expect(transactions - before).toBe(1)
  expect(new Set(first.contactIds).size).toBe(400)
  expect(first.merged).toEqual([])
  expect(await record(people.toReversed())).toEqual({
    contactIds: first.contactIds.toReversed(),
    merged: [],
  })
  expect(transactions - before).toBe(2)
  const stopped = await system.world.sql(
    'select account_id as id from contacts.contacts where opted_out',
  )
  expect(stopped).toEqual([{ id: accountIds[7] }])
  const consents = await system.world.sql(
    'select account_id as id, contact_id as contact from contacts.consents',
  )
  expect(consents).toEqual([{ id: accountIds[7], contact: first.contactIds[14] }])
  const [mixed] = await system.world.sql(
    `select count(*)::int as n from contacts.identities i join contacts.contacts c on c.id = i.contact_id where c.account_id <> i.account_id`,
  )
  expect(mixed).toEqual({ n: 0 })
})

test('a merge in one account of a batch merges nothing in the others', async () => {
  const [a, b] = [randomUUID(), randomUUID()]
  const [waId, userId] = ['4915100000002', 'DE.merged']
  const apart = await record(
    [a, b].flatMap((accountId) => [
      { accountId, waId },
      { accountId, userId },
    ]),
  )
  const [older, younger, ...others] = apart.contactIds
  const answer = await record([
    { accountId: b, userId },
    { accountId: a, waId, userId },
    { accountId: b, waId },
  ])
  expect(answer).toEqual({
    contactIds: [others[1], older, others[0]],
    merged: [{ contactId: younger, into: older }],
  })
  expect((await contact(a, younger!)).id).toBe(older)
})

test('a row of an account outside of the list of the transaction is neither seen, made, nor changed', async () => {
  const [own, other] = [randomUUID(), randomUUID()]
  const [, foreign] = (
    await record([own, other].map((accountId) => ({ accountId, waId: '4915100000003' })))
  ).contactIds
  await using db = await openDatabase({
    url: system.world.roleUrl('contacts'),
    schema: 'contacts',
    poolSize: 1,
  })
  const ctx = { secrets: createSecrets(system.config.encryptionKey) }
  const named = (accountId: string) => [{ accountId, identities: [phoneIdentity('4915100000003')] }]
  await expect(
    db.transaction([own, randomUUID()], (tx) => resolveIdentities(ctx, tx, named(other))),
  ).rejects.toThrow(/row-level security/)
  const fields = [{ accountId: other, contactId: foreign!, name: 'Changed', tags: ['changed'] }]
  await expect(
    db.transaction([own], (tx) => upsertContacts(tx, 'webhook', fields, new Set([foreign!]))),
  ).rejects.toThrow(/row-level security/)
  await expect(
    db.transaction([own], (tx) => upsertContacts(tx, 'webhook', fields, new Set())),
  ).rejects.toThrow(/row-level security/)
  await db.transaction([own], async (tx) => {
    await upsertContacts(tx, 'webhook', [{ ...fields[0]!, tags: [] }], new Set())
    await insertConsents(tx, [
      { contactId: foreign!, kind: 'block', via: 'api', evidence: '', saidAt: new Date() },
    ])
    await deriveFlags(tx, [foreign!])
  })
  expect(await contact(other, foreign!)).toMatchObject({ name: '', tags: [], blocked: false })
  expect(
    await system.world.sql('select 1 from contacts.consents where contact_id = $1', [foreign]),
  ).toEqual([])
})

test('identity updates of contacts of several accounts are applied at once, and never about a contact of another account', async () => {
  const [a, b] = [randomUUID(), randomUUID()]
  const ids = (await record([a, b].map((accountId) => ({ accountId, waId: '4915100000004' }))))
    .contactIds
  await updateIdentities(
    system,
    { accountId: a, contactId: ids[1]!, userId: 'DE.wrong' },
    { accountId: a, contactId: ids[0]!, userId: 'DE.right' },
    { accountId: b, contactId: ids[1]!, userId: 'DE.right' },
  )
  for (const [at, accountId] of [a, b].entries())
    await until(async () => (await contact(accountId, ids[at]!)).userId !== '')
  await until(async () => (await contact(b, ids[1]!)).userId !== '')
  expect(await contact(a, ids[0]!)).toMatchObject({ userId: 'DE.right' })
  expect(await contact(b, ids[1]!)).toMatchObject({ userId: 'DE.right' })
  expect(
    await system.world.sql(`select 1 from contacts.identities where match_key = 'DE.wrong'`),
  ).toEqual([])
})
