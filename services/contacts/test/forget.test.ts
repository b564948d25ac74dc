import { randomBytes, randomUUID } from 'node:crypto'
import { secretPlaces } from '@lockstep/contracts'
import { createSecrets } from '@lockstep/service'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importCsv, inbound, startContacts, type TestContacts } from './fixtures.ts'

let system: TestContacts
beforeAll(async () => {
  system = await startContacts()
})
afterAll(() => system?.[Symbol.asyncDispose]())

let last = 10_000
/** A number that no other test uses. */
const number = () => `49151300${++last}`
const create = async (digits: string, more: object = {}) =>
  (await system.contacts.createContact({ phone: `+${digits}`, ...more }, system.call)).contact!
const forget = (id: string) => system.contacts.forgetContact({ id }, system.call)
const say = (contactId: string, kind: string) =>
  system.contacts.recordConsent({ contactId, kind, evidence: 'by phone' }, system.call)
const refusals = async () =>
  system.world.sql<{ kind: string }>(
    'select kind from contacts.forgotten_refusals where account_id = $1 order by kind',
    [system.call.accountId],
  )

/** Tables of the service in whose rows a text stands. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await system.world.sql<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'contacts'",
  )
  const found = []
  for (const { name } of tables) {
    const [row] = await system.world.sql<{ n: number }>(
      `select count(*)::int as n from ${name} t
       where to_jsonb(t)::text like '%' || $1 || '%'
         or to_jsonb(t)::text like '%' || encode(convert_to($1, 'UTF8'), 'hex') || '%'`,
      [text],
    )
    if (row!.n > 0) found.push(name)
  }
  return found
}

test('of who is forgotten nothing is left but what they refuse, under a hash', async () => {
  const digits = number()
  const person = { name: 'Zaunkönig', email: 'zaun@example.com', attributes: { city: 'Zaunstadt' } }
  const { id } = await create(digits, { ...person, tags: ['zauntag'], timeZone: 'Europe/Berlin' })
  await inbound(system, { waId: digits, userId: 'DE.zaun', username: 'zaunuser', text: 'stop' })
  await say(id, 'block')
  for (const text of [digits, 'Zaunkönig', 'DE.zaun', 'zaunuser'])
    expect([text, await tablesWith(text)]).not.toEqual([text, []])
  await forget(id)
  for (const text of [digits, 'aunkönig', 'zaun@', 'aunstadt', 'zauntag', 'DE.zaun', 'zaunuser'])
    expect([text, await tablesWith(text)]).toEqual([text, []])
  // Two identities, each with a stop and a block.
  expect(await refusals()).toEqual(
    ['block', 'block', 'opt_out', 'opt_out'].map((kind) => ({ kind })),
  )
  await expect(forget(id)).rejects.toMatchObject({ failure: 'not_found' })
  const asked = { contactIds: [id], category: 'SERVICE' }
  const { results } = await system.contacts.checkSendable(asked, system.call)
  expect(results).toMatchObject([{ refusal: 'deleted', phone: '', userId: '' }])
})

test.each([
  ['imported', (digits: string) => importCsv(system, `name,phone\nAna,+${digits}\n`)],
  ['created', (digits: string) => create(digits)],
  ['heard of', (digits: string) => inbound(system, { waId: digits, text: 'Hello' })],
])('a stop outlives who is forgotten and %s again', async (_how, come) => {
  const digits = number()
  const { id } = await create(digits)
  await say(id, 'opt_out')
  await forget(id)
  await come(digits)
  const again = await create(digits)
  expect(again.id).not.toBe(id)
  expect(again).toMatchObject({ optedOut: true, blocked: false })
  const asked = { contactIds: [again.id], category: 'MARKETING' }
  const { results } = await system.contacts.checkSendable(asked, system.call)
  expect(results[0]!.refusal).toBe('opted_out')
  // A second time, from what was recalled.
  await forget(again.id)
  expect((await create(digits)).optedOut).toBe(true)
})

test('who had not stopped, or took it back, is not stopped when they come again', async () => {
  const [digits, other] = [number(), number()]
  const { id } = await create(digits)
  await say(id, 'opt_out')
  await forget(id)
  const again = await create(digits)
  expect(again.optedOut).toBe(true)
  await inbound(system, { waId: digits, text: 'start', wamid: 'w1', atMs: Date.now() + 1_000 })
  await forget(again.id)
  expect((await create(digits)).optedOut).toBe(false)
  const { id: never } = await create(other)
  await forget(never)
  expect((await create(other)).optedOut).toBe(false)
})

test('a stop of somebody with several numbers holds for each of them, also by an id from before a merge', async () => {
  const [digits, userId] = [number(), `DE.${number()}`]
  const [byNumber] = await inbound(system, { waId: digits, atMs: 1_000 })
  const [byUserId] = await inbound(system, { userId, profileName: 'Zaunmerge', atMs: 1_000 })
  const [both] = await inbound(system, { waId: digits, userId, text: 'stop', wamid: 'w' })
  const merged = [byNumber, byUserId].find((id) => id !== both)!
  await forget(merged)
  expect(await tablesWith('Zaunmerge')).toEqual([])
  await expect(system.contacts.getContact({ id: both! }, system.call)).rejects.toMatchObject({
    failure: 'not_found',
  })
  const [again] = await inbound(system, { userId })
  expect(await system.contacts.getContact({ id: again! }, system.call)).toMatchObject({
    optedOut: true,
  })
  expect((await create(digits)).optedOut).toBe(true)
})

test('one number in another account is another person, whom nobody has forgotten', async () => {
  const digits = number()
  const stranger = { accountId: randomUUID() }
  const { contact } = await system.contacts.createContact({ phone: `+${digits}` }, stranger)
  const { id } = await create(digits)
  await say(id, 'opt_out')
  await forget(id)
  expect(await system.contacts.getContact({ id: contact!.id }, stranger)).toEqual(contact)
  await system.contacts.forgetContact({ id: contact!.id }, stranger)
  const { contact: again } = await system.contacts.createContact({ phone: `+${digits}` }, stranger)
  expect(again!.optedOut).toBe(false)
})

test('whoever is named and forgotten at the same time is either gone or somebody new, and stays stopped', async () => {
  for (let round = 0; round < 10; round++) {
    const digits = number()
    const { id } = await create(digits)
    await say(id, 'opt_out')
    await Promise.all([
      forget(id),
      ...Array.from({ length: 4 }, () =>
        inbound(system, { waId: digits, profileName: 'Zaunrace' }),
      ),
      ...Array.from({ length: 4 }, () => create(digits, { tags: ['race'] })),
    ])
    const [gone] = await system.world.sql(
      `select name, phone, wa_id, last_inbound_at from contacts.contacts where id = $1`,
      [id],
    )
    expect(gone).toEqual({ name: '', phone: '', wa_id: '', last_inbound_at: null })
    const again = await create(digits)
    expect(again.id).not.toBe(id)
    expect(again.optedOut).toBe(true)
  }
})

test('keys of hashes are sealed, and sealed again with a new encryption key', async () => {
  const { accountId } = system.call
  const rows = () =>
    system.world.sql<{ sealed: Buffer }>(
      'select sealed_key as sealed from contacts.forgotten_keys where account_id = $1',
      [accountId],
    )
  const place = secretPlaces.forgottenKey(accountId)
  const [{ sealed } = { sealed: Buffer.alloc(0) }] = await rows()
  const old = system.config.encryptionKey
  const key = createSecrets(old).open(sealed, place)
  expect(key).toMatch(/^[0-9a-f]{64}$/)
  expect(await system.contacts.resealSecrets({ after: '' }, {})).toMatchObject({
    resealed: 0,
    unreadable: [],
    next: '',
  })
  const fresh = createSecrets([{ id: 2, key: randomBytes(32) }])
  await system.world.sql(
    'update contacts.forgotten_keys set sealed_key = $2 where account_id = $1',
    [accountId, fresh.seal(key, place)],
  )
  expect(await system.contacts.resealSecrets({ after: '' }, {})).toMatchObject({
    unreadable: [`forgotten_keys:${accountId}`],
  })
  await system.world.sql(
    'update contacts.forgotten_keys set sealed_key = $2 where account_id = $1',
    [accountId, sealed],
  )
})
