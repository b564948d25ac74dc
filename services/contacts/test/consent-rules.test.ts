import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importCsv, inbound, startContacts, type TestContacts } from './fixtures.ts'

let system: TestContacts
let stopped: string
let free: string
beforeAll(async () => {
  system = await startContacts()
  await importCsv(system, 'phone,tags\n+4915100000001,all\n+4915100000002,all\n')
  const [one, other] = await inbound(
    system,
    { waId: '4915100000001', text: 'stop', wamid: 'w' },
    { waId: '4915100000002' },
  )
  stopped = one!
  free = other!
})
afterAll(() => system?.[Symbol.asyncDispose]())

const choose = (utilityAfterStop: boolean, call = system.call) =>
  system.contacts.setConsentRules({ utilityAfterStop }, call)

/** What the check and the audience say of somebody who said stop; both say nothing of somebody who didn't. */
async function refusals(category: string): Promise<string[]> {
  const { results } = await system.contacts.checkSendable(
    { contactIds: [stopped, free], category },
    system.call,
  )
  const audience = new Map<string, string>()
  for await (const { contacts } of system.contacts.streamAudience(
    { filter: { tags: ['all'] }, category },
    system.call,
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
    system.contacts.recordConsent({ contactId: stopped, kind, evidence: '' }, system.call)
  await say('block')
  for (const category of ['UTILITY', 'AUTHENTICATION', 'SERVICE', 'MARKETING'])
    expect(await refusals(category)).toEqual(['blocked', 'blocked'])
  await say('unblock')
})

test('an account that chose nothing has the strict rule, and no account sees or changes the choice of another', async () => {
  await choose(true)
  const other = { accountId: randomUUID() }
  expect(await system.contacts.getConsentRules({}, other)).toEqual({ utilityAfterStop: false })
  await choose(false, other)
  expect(await system.contacts.getConsentRules({}, system.call)).toEqual({
    utilityAfterStop: true,
  })
  const rows = 'select utility_after_stop as rule from contacts.consent_rules where account_id = $1'
  expect(await system.world.sql(rows, [other.accountId])).toEqual([{ rule: false }])
})
