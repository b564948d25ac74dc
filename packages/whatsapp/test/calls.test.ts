import { expect, test } from 'vitest'
import {
  accountEvents,
  callText,
  mergeCallFacts,
  splitWebhook,
  threadMessages,
} from '../src/index.ts'

const own = '16315550100'
const ada = '491512000001'
const value = (content: object) => ({
  metadata: { phone_number_id: '801', display_phone_number: own },
  ...content,
})
const body = (content: object) => ({
  entry: [{ id: '7', changes: [{ field: 'calls', value: value(content) }] }],
})
const call = (event: object) =>
  threadMessages(body({ calls: [{ id: 'wacid.1', timestamp: '1790000000', ...event }] }))[0]
const status = (word: string) =>
  threadMessages(
    body({
      statuses: [
        { id: 'wacid.2', type: 'call', status: word, timestamp: '1790000000', recipient_id: ada },
      ],
    }),
  )[0]

const opened = 1_790_000_000_000

test('a call of a person opens the window when it comes in, one of the business when the person picks it up', () => {
  const incoming = { from: ada, to: own, direction: 'USER_INITIATED' }
  expect(call({ ...incoming, event: 'connect', session: { sdp: 'v=0' } })).toMatchObject({
    ...{
      wamid: 'wacid.1',
      type: 'call',
      direction: 'in',
      source: 'cloud_api',
      from: ada,
      opensMs: opened,
    },
    call: { connect_at: '2026-09-21T14:13:20.000Z' },
    message: { id: 'wacid.1' },
  })
  expect(call({ ...incoming, event: 'terminate', status: 'FAILED' })).toMatchObject({
    opensMs: null,
    text: '[missed call]',
  })
  const outgoing = { from: own, to: ada, direction: 'BUSINESS_INITIATED' }
  expect(call({ ...outgoing, event: 'connect' })).toMatchObject({
    direction: 'out',
    from: ada,
    opensMs: null,
  })
  expect(
    call({ ...outgoing, event: 'terminate', start_time: '1790000000', duration: 125 }),
  ).toMatchObject({
    ...{ opensMs: opened, text: '[call of 2 min 5 s]' },
  })
  expect(status('ACCEPTED')).toMatchObject({
    wamid: 'wacid.2',
    direction: 'out',
    from: ada,
    opensMs: opened,
  })
  expect(status('RINGING')).toMatchObject({
    opensMs: null,
    call: { ringing_at: '2026-09-21T14:13:20.000Z' },
  })
})

test("the media session of a call, with its addresses, is not kept; the person is the side that is not the number's", () => {
  const swapped = call({
    from: ada,
    to: own,
    direction: 'BUSINESS_INITIATED',
    event: 'connect',
    session: { sdp: 'v=0' },
  })
  expect(swapped).toMatchObject({ from: ada, direction: 'out' })
  expect(JSON.stringify(swapped)).not.toContain('v=0')
  expect(call({ from: own, to: ada, event: 'connect' })).toMatchObject({
    from: ada,
    direction: 'out',
  })
})

test('events of a call add up to the same in any order', () => {
  const [ringing, accepted] = [status('RINGING')!.call!, status('ACCEPTED')!.call!]
  expect(mergeCallFacts(ringing, accepted)).toEqual(mergeCallFacts(accepted, ringing))
  expect(callText('out', mergeCallFacts(ringing, { ended_at: 'later' }))).toBe(
    '[call not answered]',
  )
  expect(callText('out', mergeCallFacts(accepted, { ended_at: 'later' }))).toBe('[call]')
  expect(callText('out', status('REJECTED')!.call!)).toBe('[call rejected]')
})

test("a call's status goes to its number's lane whatever it carries, and errors of calls are the account's", () => {
  const errors = [{ code: 138000, title: 'Calling is not enabled' }]
  const raw = Buffer.from(
    JSON.stringify({
      object: 'whatsapp_business_account',
      ...body({ statuses: [{ id: 'wacid.2', biz_opaque_callback_data: 'x' }], errors }),
    }),
  )
  const parts = splitWebhook(raw, {
    verifyToken: () => ({ lane: 'webhooks.campaign', key: 'other' }),
  })
  expect(parts.map(({ lane, key, elements }) => [lane, key, elements])).toEqual([
    ['webhooks.message', '801', 1],
    ['webhooks.account', '7', 1],
  ])
  expect(accountEvents(body({ errors }))).toMatchObject([
    { wabaId: '7', field: 'messages', value: { errors } },
  ])
})
