import { expect, test } from 'vitest'
import { inboundMessages, statuses } from '../src/index.ts'
import { userIdUpdates, userPreferences } from './elements.ts'

/** The senders of the messages of one value, without what they lack. */
function senders(contacts: object[], ...messages: object[]) {
  const all = messages.map((message, at) => ({
    id: `wamid.${at}`,
    type: 'text',
    text: { body: 'Hello' },
    ...message,
  }))
  return inboundMessages(body('messages', { contacts, messages: all })).map(
    ({ from, userId, parentUserId, profileName, username }) =>
      JSON.parse(JSON.stringify({ from, userId, parentUserId, profileName, username })),
  )
}

const body = (field: string, value: object) => ({
  entry: [
    { id: '7', changes: [{ field, value: { metadata: { phone_number_id: '801' }, ...value } }] },
  ],
})

test('a sender and their contact entry are one person, however Meta writes the number in the two places', () => {
  const caio = { profile: { name: 'Caio' }, wa_id: '553177776666', user_id: 'BR.U1' }
  const other = { profile: { name: 'Bia' }, wa_id: '553177775555', user_id: 'BR.U2' }
  const known = { from: '5531977776666', userId: 'BR.U1', profileName: 'Caio' }
  expect(senders([other, caio], { from: '5531977776666' })).toEqual([known])
  expect(senders([other, caio], { from_user_id: 'BR.U1' })).toEqual([
    { ...known, from: '553177776666' },
  ])
  const ana = { wa_id: '525512345678', user_id: 'MX.A' }
  expect(senders([caio, ana], { from: '5215512345678' })).toEqual([
    { from: '5215512345678', userId: 'MX.A' },
  ])
})

test('the only entry of a value with one message is its sender, unless their ids contradict', () => {
  expect(senders([{ user_id: 'DE.U2' }], { from: '4917000001' })).toEqual([
    { from: '4917000001', userId: 'DE.U2' },
  ])
  expect(senders([{ wa_id: '4917000002', user_id: 'DE.U2' }], { from: '4917000001' })).toEqual([
    { from: '4917000001' },
  ])
  expect(senders([{ user_id: 'DE.U2' }], { from_user_id: 'DE.U1' })).toEqual([{ userId: 'DE.U1' }])
  expect(senders([{ user_id: 'DE.U2' }], { from: 'what?' })).toEqual([{ userId: 'DE.U2' }])
  const two = senders(
    [{ user_id: 'DE.U2' }],
    { from: '4917000001' },
    { from: 'what?' },
    { from_user_id: 'DE.U2' },
  )
  expect(two).toEqual([{ from: '4917000001' }, {}, { userId: 'DE.U2' }])
})

test('a message that names no sender is of the only entry, and of nobody where there are several', () => {
  expect(senders([{ user_id: 'DE.U2' }], {}, {})).toEqual([
    { userId: 'DE.U2' },
    { userId: 'DE.U2' },
  ])
  expect(senders([{ user_id: 'DE.U2' }, { user_id: 'DE.U3' }], {})).toEqual([{}])
  expect(senders([], {})).toEqual([{}])
})

test.each([
  ['+4916012345678', '4916012345678'],
  [' 49 160 1234-5678 ', '4916012345678'],
  ['+49 (160) 123.456.78', '4916012345678'],
  [4916012345678, '4916012345678'],
  ['4916012345678x', undefined],
  ['1234', undefined],
  ['1'.repeat(21), undefined],
])('a number that is written as %j is %j', (from, digits) => {
  expect(inboundMessages(body('messages', { messages: [{ id: 'wamid.1', from }] }))[0]!.from).toBe(
    digits,
  )
})

test('what is no user id names nobody, wherever it stands', () => {
  expect(senders([], { from: '4917000001', from_user_id: 'foo_bar' })).toEqual([
    { from: '4917000001' },
  ])
  expect(
    senders([{ wa_id: '4917000001', user_id: 'x'.repeat(600) }], { from: '4917000001' }),
  ).toEqual([{ from: '4917000001' }])
  expect(
    userPreferences(
      body('user_preferences', { user_preferences: [{ user_id: 'foo_bar', value: 'stop' }] }),
    ),
  ).toEqual([])
  const moved = { wa_id: '4917000001', user_id: { previous: 'foo_bar', current: 'DE.1' } }
  const updates = [
    moved,
    { ...moved, wa_id: undefined },
    { ...moved, user_id: { previous: 'DE.1', current: 'foo_bar' } },
  ]
  expect(userIdUpdates(body('user_id_update', { user_id_update: updates }))).toMatchObject([
    { waId: '4917000001', previous: undefined, current: 'DE.1' },
  ])
  const status = { id: 'wamid.1', status: 'sent', recipient_user_id: 'foo_bar' }
  expect(statuses(body('messages', { statuses: [status] }))[0]!.userId).toBeUndefined()
})

test("a choice about marketing is its person's by all ids of their entry", () => {
  const chosen = { user_id: 'BR.U1', value: 'signup', signup_id: '5001' }
  const contacts = [{ wa_id: '553177776666', user_id: 'BR.U1', parent_user_id: 'BR.ENT.P1' }]
  expect(
    userPreferences(body('user_preferences', { contacts, user_preferences: [chosen] })),
  ).toMatchObject([
    {
      waId: '553177776666',
      userId: 'BR.U1',
      parentUserId: 'BR.ENT.P1',
      preference: 'signup',
      signupId: '5001',
    },
  ])
})

test('whoever gets another user id gets the new parent id with it', () => {
  const change = {
    wa_id: '4917000001',
    user_id: { previous: 'DE.1', current: 'DE.2' },
    parent_user_id: { current: 'DE.ENT.2' },
  }
  expect(userIdUpdates(body('user_id_update', { user_id_update: [change] }))).toMatchObject([
    { parentUserId: 'DE.ENT.2' },
  ])
  const system = { type: 'user_changed_user_id', user_id: 'DE.2', parent_user_id: 'DE.ENT.2' }
  const news = { id: 'wamid.1', type: 'system', from: '4917000001', system }
  expect(inboundMessages(body('messages', { messages: [news] }))[0]!.move!.to).toMatchObject({
    userId: 'DE.2',
    parentUserId: 'DE.ENT.2',
  })
})

test('a username, a parent id and the number that was asked for belong to the sender', () => {
  const contacts = [{ profile: { name: 'Ada', username: 'ada.l' }, user_id: 'DE.1' }]
  expect(senders(contacts, { from_user_id: 'DE.1', from_parent_user_id: 'DE.ENT.9' })).toEqual([
    { userId: 'DE.1', parentUserId: 'DE.ENT.9', profileName: 'Ada', username: 'ada.l' },
  ])
  const card = (origin: string, ...phones: object[]) => ({
    from_user_id: 'DE.1',
    type: 'contacts',
    contacts: [{ origin, phones }],
  })
  const number = { phone: '+49 1512 000001', wa_id: '491512000001' }
  expect(senders([], card('contact_request', number))).toEqual([
    { from: '491512000001', userId: 'DE.1' },
  ])
  expect(senders([], card('other', number))).toEqual([{ userId: 'DE.1' }])
  expect(senders([], card('contact_request', number, { phone: '+491512000002' }))).toEqual([
    { userId: 'DE.1' },
  ])
})
