import { expect, test } from 'vitest'
import { parseWebhook } from '../src/index.ts'
import { appContacts, countElements, threadMessages } from './elements.ts'

const own = '15550100'
const ada = '491512000001'
const body = (field: string, value: object) => {
  const metadata = { phone_number_id: '801', display_phone_number: own }
  const entry = [{ id: '7', changes: [{ field, value: { metadata, ...value } }] }]
  return parseWebhook(Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry })))
}
const text = (id: string, words: string, sides: object) => ({
  id,
  timestamp: '1780000000',
  type: 'text',
  text: { body: words },
  ...sides,
})
const chunk = (...messages: object[]) => ({
  metadata: { phase: 1 },
  threads: [{ id: ada, messages }],
})

test('the past is read by threads: who wrote, to whom, and what may have been a stop', () => {
  const messages = [
    text('wamid.1', 'STOP', { from: ada }),
    text('wamid.2', 'STOP', { from: own, to: ada }),
    text('wamid.3', 'Hello', { from: own }),
    text('wamid.4', 'Hello', { from: '15559999', to: ada }),
  ]
  const read = threadMessages(body('history', { history: [chunk(...messages)] }))
  expect(
    read.map(({ wamid, direction, source, from, stopText }) => [
      wamid,
      direction,
      source,
      from,
      stopText,
    ]),
  ).toEqual([
    ['wamid.1', 'in', 'history', ada, 'STOP'],
    ['wamid.2', 'out', 'history', ada, undefined],
    ['wamid.3', 'out', 'history', ada, undefined],
    ['wamid.4', 'out', 'history', ada, undefined],
  ])
  expect(read[0]).toMatchObject({ stopOnly: true, timestampMs: 1_780_000_000_000 })
})

test('a thread that is known by a user id only, and a change of number in it, which moves nobody', () => {
  const system = { type: 'system', system: { type: 'user_changed_number', wa_id: '491512000009' } }
  const threads = [
    {
      id: 'DE.ada1',
      messages: [
        text('wamid.5', 'Hello', { from_user_id: 'DE.ada1' }),
        { id: 'wamid.6', ...system },
      ],
    },
  ]
  const read = threadMessages(body('history', { history: [{ threads }] }))
  expect(read).toMatchObject([
    { direction: 'in', userId: 'DE.ada1', from: undefined },
    { userId: 'DE.ada1', move: undefined },
  ])
})

test('each message of a chunk counts, and one that is empty or declined loses nothing', () => {
  const declined = {
    code: 2593109,
    title: 'History sharing is turned off',
    error_data: { details: 'Declined' },
  }
  const parsed = body('history', {
    history: [
      chunk({ from: ada }, text('wamid.7', 'x', { from: ada })),
      { errors: [declined] },
      { metadata: {} },
    ],
  })
  expect(countElements(parsed, '801')).toBe(2)
  expect(threadMessages(parsed)).toHaveLength(1)
})

test('a file that comes later is under the id of its mark', () => {
  const image = {
    id: 'wamid.8',
    from: ada,
    timestamp: '1780000000',
    type: 'image',
    image: { id: '55', mime_type: 'image/jpeg' },
  }
  expect(threadMessages(body('history', { messages: [image] }))).toMatchObject([
    { wamid: 'wamid.8', direction: 'in', source: 'history', media: { id: '55' } },
  ])
})

test("names of the phone's address book, and none of what was taken out or is nobody's", () => {
  const item = (contact: object, action = 'add', type = 'contact') => ({
    type,
    action,
    contact,
    metadata: { timestamp: '1780000000' },
  })
  const state_sync = [
    item({ full_name: 'Ada L', first_name: 'Ada', phone_number: `+${ada}` }),
    item({ first_name: 'Bob', phone_number: '491512000002' }),
    item({ full_name: 'Cy', phone_number: '491512000003' }, 'remove'),
    item({ full_name: 'Nobody' }),
    item({ phone_number: ada }, 'add', 'label'),
  ]
  expect(appContacts(body('smb_app_state_sync', { state_sync }))).toMatchObject([
    { waId: ada, name: 'Ada L', timestampMs: 1_780_000_000_000 },
    { waId: '491512000002', name: 'Bob' },
    { waId: '491512000003', name: undefined },
  ])
})

test('while another sender answers, the person and that sender are both heard', () => {
  const value = {
    messages: [text('wamid.9', 'STOP', { from: ada })],
    message_echoes: [text('wamid.10', 'Bye', { from: own, to: ada })],
  }
  expect(threadMessages(body('standby', value))).toMatchObject([
    { direction: 'in', source: 'standby', from: ada, stopText: 'STOP', stopOnly: false },
    { direction: 'out', source: 'standby', from: ada, stopText: undefined },
  ])
})
