import { afterAll, beforeAll, expect, test } from 'vitest'
import { inbound, openSetting, type Setting } from './service.ts'

let setting: Setting
beforeAll(async () => {
  setting = await openSetting()
})
afterAll(() => setting?.[Symbol.asyncDispose]())

let last = 100_000
/** A number that no other test uses. */
const number = () => `4915100${++last}`
const contact = (id: string) => setting.contacts.getContact({ id }, setting.call)
const ledger = (id: string) =>
  setting.world.sql<{ kind: string; via: string }>('select kind, via from contacts.consents where contact_id = $1 order by id', [id])

test('one person is one contact, within a batch and across batches, and its order is kept', async () => {
  const [a, b] = [number(), number()]
  const first = await inbound(setting, { waId: a }, { waId: b }, { waId: a, profileName: 'Ada' })
  expect(first[0]).toBe(first[2])
  expect(first[0]).not.toBe(first[1])
  expect(await inbound(setting, { waId: b }, { waId: a })).toEqual([first[1], first[0]])
})

test('a user id and a number that come together are one contact from then on', async () => {
  const waId = number()
  const [byNumber] = await inbound(setting, { waId })
  const [both] = await inbound(setting, { waId, userId: 'DE.together' })
  const [byUserId] = await inbound(setting, { waId: 'DE.together' })
  expect([both, byUserId]).toEqual([byNumber, byNumber])
  expect(await contact(byNumber!)).toMatchObject({ phone: waId, waId, userId: 'DE.together' })
})

test('a stop by a person who turns out to be two contacts stops both', async () => {
  const waId = number()
  const [older] = await inbound(setting, { waId })
  const [younger] = await inbound(setting, { userId: 'DE.twofold' })
  expect(await inbound(setting, { waId, userId: 'DE.twofold', text: 'stop', wamid: 'w-twofold' })).toEqual([older])
  expect(await contact(older!)).toMatchObject({ optedOut: true, userId: '' })
  expect(await contact(younger!)).toMatchObject({ optedOut: true, waId: '' })
})

test('the last inbound time only grows, and a profile name only fills an empty one', async () => {
  const waId = number()
  const [id] = await inbound(setting, { waId, profileName: 'First', atMs: 2_000 })
  await inbound(setting, { waId, profileName: 'Second', atMs: 1_000 })
  expect(await contact(id!)).toMatchObject({ name: 'First', lastInboundAtMs: 2_000, source: 'webhook' })
})

test('a name with characters that PostgreSQL refuses does not refuse the batch', async () => {
  const [id] = await inbound(setting, { waId: number(), profileName: 'A\u0000b\ud800' })
  expect((await contact(id!)).name).toBe('Ab\ufffd')
})

test('STOP opts out, the same webhook again adds nothing, and a later START opts in again', async () => {
  const waId = number()
  const stop = { waId, text: ' Stop ', wamid: 'w-stop', atMs: 1_000 }
  const [id] = await inbound(setting, stop)
  await inbound(setting, stop, stop)
  expect(await contact(id!)).toMatchObject({ optedOut: true })
  expect(await ledger(id!)).toEqual([{ kind: 'opt_out', via: 'word' }])
  await inbound(setting, { waId, text: 'start', wamid: 'w-start', atMs: 2_000 })
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
  const [id] = await inbound(setting, optedOut ? stop : start)
  await inbound(setting, optedOut ? start : stop)
  expect(await contact(id!)).toMatchObject({ optedOut })
})

test("Meta's preference stops and resumes marketing, and opens no window", async () => {
  const waId = number()
  const [id] = await inbound(setting, { waId, preference: 'stop', atMs: 1_000 })
  expect(await contact(id!)).toMatchObject({ optedOut: true, lastInboundAtMs: undefined })
  await inbound(setting, { waId, preference: 'resume', atMs: 2_000 })
  expect(await contact(id!)).toMatchObject({ optedOut: false })
})

test('a person without an id refuses the call as invalid', async () => {
  await expect(inbound(setting, { waId: number() }, { profileName: 'Nobody' })).rejects.toMatchObject({ failure: 'invalid' })
})
