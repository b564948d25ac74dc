import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importCsv, inbound, openSetting, type Setting } from './service.ts'

let setting: Setting
let stopped: string
let free: string
beforeAll(async () => {
  setting = await openSetting()
  await importCsv(setting, 'phone,tags\n+4915100000001,all\n+4915100000002,all\n')
  const [one, other] = await inbound(
    setting,
    { waId: '4915100000001', text: 'stop', wamid: 'w' },
    { waId: '4915100000002' },
  )
  stopped = one!
  free = other!
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const choose = (utilityAfterStop: boolean, call = setting.call) =>
  setting.contacts.setConsentRules({ utilityAfterStop }, call)

/** What the check and the audience say of somebody who said stop; both say nothing of somebody who didn't. */
async function refusals(category: string): Promise<string[]> {
  const { results } = await setting.contacts.checkSendable(
    { contactIds: [stopped, free], category },
    setting.call,
  )
  const audience = new Map<string, string>()
  for await (const { contacts } of setting.contacts.streamAudience(
    { filter: { tags: ['all'] }, category },
    setting.call,
  ))
    for (const { id, skipReason } of contacts) audience.set(id, skipReason)
  expect([results[1]!.refusal, audience.get(free)]).toEqual(['', ''])
  return [results[0]!.refusal, audience.get(stopped)!]
}

const marketing = [
  'MARKETING',
  '',
  'utility',
  'UTILITY ',
  'marketing',
  'UTILITY_LITE',
  'TRANSACTIONAL',
  'null',
  'undefined',
]

test.each([false, true])(
  'whatever is not UTILITY, AUTHENTICATION or SERVICE is refused to who said stop, the rule being %s',
  async (rule) => {
    await choose(rule)
    for (const category of marketing)
      expect([category, await refusals(category)]).toEqual([category, ['opted_out', 'opted_out']])
    for (const category of ['AUTHENTICATION', 'SERVICE'])
      expect([category, await refusals(category)]).toEqual([category, ['', '']])
  },
)

test('UTILITY goes to who said stop only while the account chooses so, and never to who is blocked', async () => {
  await choose(false)
  expect(await refusals('UTILITY')).toEqual(['opted_out', 'opted_out'])
  expect(await choose(true)).toEqual({ utilityAfterStop: true })
  expect(await refusals('UTILITY')).toEqual(['', ''])
  const say = (kind: string) =>
    setting.contacts.recordConsent({ contactId: stopped, kind, evidence: '' }, setting.call)
  await say('block')
  for (const category of ['UTILITY', 'AUTHENTICATION', 'SERVICE', 'MARKETING'])
    expect(await refusals(category)).toEqual(['blocked', 'blocked'])
  await say('unblock')
})

test('an account that chose nothing has the strict rule, and no account sees or changes the choice of another', async () => {
  await choose(true)
  const other = { accountId: randomUUID() }
  expect(await setting.contacts.getConsentRules({}, other)).toEqual({ utilityAfterStop: false })
  await choose(false, other)
  expect(await setting.contacts.getConsentRules({}, setting.call)).toEqual({
    utilityAfterStop: true,
  })
  const rows = 'select utility_after_stop as rule from contacts.consent_rules where account_id = $1'
  expect(await setting.world.sql(rows, [other.accountId])).toEqual([{ rule: false }])
})
