import { readFileSync } from 'node:fs'
import { cleanText } from '@lockstep/contracts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  accountEvents,
  cleanJson,
  displayText,
  eventError,
  inboundMessages,
  parseWebhook,
  statuses,
  statusFailure,
  templateEvents,
} from '../src/index.ts'
import { userIdUpdates, userPreferences } from './elements.ts'

const mixed = parseWebhook(readFileSync(new URL('fixtures/mixed-batch.json', import.meta.url)))

test('senders are matched by wa_id or user_id, wherever their contact stands', () => {
  const read = inboundMessages(mixed).map(({ wamid, from, userId, profileName }) => [
    wamid,
    from,
    userId,
    profileName,
  ])
  expect(read).toEqual([
    ['wamid.IN1', '4917000002', undefined, 'Ana'],
    ['wamid.IN2', undefined, 'NG.333', 'Chidi'],
    ['wamid.IN3', '554784000001', 'BR.111', 'Bruna'],
    ['wamid.BADKEY', undefined, undefined, undefined],
  ])
})

test('texts are clean, times read from strings and numbers, words for stop from text and buttons', () => {
  const [text, button, unknown] = inboundMessages(mixed)
  expect(text).toMatchObject({
    text: 'STOP please',
    stopText: 'STOP please',
    timestampMs: 1_790_000_001_000,
    phoneNumberId: '801000000000001',
  })
  expect(JSON.stringify(text!.message)).not.toContain('\\u0000')
  expect(button).toMatchObject({
    text: 'Unsubscribe',
    stopText: 'unsub\nUnsubscribe',
    timestampMs: 1_790_000_002_000,
    contextWamid: 'wamid.OUT9',
  })
  expect(unknown).toMatchObject({
    type: 'hologram',
    text: '[hologram]',
    stopText: undefined,
    timestampMs: null,
  })
})

test('statuses carry token and errors of either shape; elements that are none are skipped', () => {
  expect(statuses(mixed)).toMatchObject([
    {
      phoneNumberId: '801000000000002',
      wamid: 'wamid.OUT1',
      status: 'delivered',
      token: 'to-campaign-7',
      recipientId: '4917000002',
      errors: [],
    },
    {
      wamid: 'wamid.OUT2',
      status: 'failed',
      recipientId: undefined,
      errors: [{ code: 131049, title: 'Not delivered', details: 'Ecosystem' }],
    },
  ])
  const [event] = accountEvents(mixed).filter(({ field }) => field === 'messages')
  expect(event).toMatchObject({ value: { metadata: { phone_number_id: '801000000000001' } } })
  expect(eventError(event!)).toEqual({
    code: 131000,
    title: 'Something went wrong',
    details: 'Old shape',
  })
})

test('template news keep long ids as text, tell quality by its value, and leave out a category that is only announced', () => {
  expect(templateEvents(mixed)).toMatchObject([
    {
      wabaId: '701000000000002',
      templateId: '98765432109876543210',
      status: 'PAUSED',
      reason: 'Low quality',
      language: 'en_US',
      timestampMs: 1_790_000_007_000,
    },
    { templateId: '9007199254740993', field: 'message_template_quality_update', quality: 'RED' },
    { templateId: '5', field: 'template_category_update', category: undefined },
  ])
})

test('preferences, changed user ids and account news are read', () => {
  expect(userPreferences(mixed)).toMatchObject([
    { waId: '4917000002', preference: 'stop', timestampMs: 1_790_000_005_000 },
  ])
  expect(userIdUpdates(mixed)).toMatchObject([
    { previous: 'DE.1', current: 'DE.2', timestampMs: 1_790_000_006_000 },
  ])
  expect(accountEvents(mixed).map(({ wabaId, field }) => [wabaId, field])).toEqual([
    ['701000000000001', 'messages'],
    ['701000000000002', 'phone_number_quality_update'],
    ['701000000000003', 'account_update'],
  ])
})

test.each<[string, object, string]>([
  ['image', { image: { id: '1', caption: 'Our cat' } }, 'Our cat'],
  ['audio', { audio: { voice: true } }, '[voice message]'],
  ['document', { document: { filename: 'menu.pdf', caption: 'The menu' } }, 'menu.pdf\nThe menu'],
  ['location', { location: { latitude: '52.5', longitude: 13.4 } }, '[location 52.5, 13.4]'],
  [
    'contacts',
    { contacts: [{ name: { formatted_name: 'Ida' } }, { phones: [] }] },
    '[contact: Ida, without a name]',
  ],
  [
    'interactive',
    { interactive: { list_reply: { id: 'x', title: 'Rye', description: 'dark' } } },
    'Rye\ndark',
  ],
  ['interactive', {}, '[interactive]'],
  ['order', { order: { text: '', product_items: [{}, {}] } }, '[order of 2 items]'],
  ['reaction', { reaction: { message_id: 'w', emoji: '' } }, '[reaction removed]'],
  ['edit', { edit: { message: { type: 'text', text: { body: 'Better' } } } }, 'Better'],
  ['edit', { edit: { message: { type: 'edit', edit: {} } } }, '[edit]'],
  ['unsupported', { unsupported: { type: 'gif' } }, '[unsupported message: gif]'],
  ['constructor', {}, '[constructor]'],
])('a message of type %s reads well', (type, message, text) => {
  expect(displayText(type, message as Record<string, unknown>)).toBe(text)
})

test('a text is whole up to the longest that WhatsApp takes, then marked; characters are counted, not their halves', () => {
  const read = (body: string) => displayText('text', { text: { body } })
  for (const whole of ['x'.repeat(6_000), '😀'.repeat(65_536)])
    expect(read(whole) === whole).toBe(true)
  expect(read('😀'.repeat(65_537)) === `${'😀'.repeat(65_536)}…`).toBe(true)
})

test('the name of a field that is cut inside an emoji is still well-formed', () => {
  const field = `account_${'x'.repeat(119)}😀`
  const [event] = accountEvents({ entry: [{ id: '7', changes: [{ field, value: {} }] }] })
  expect(event!.field.isWellFormed()).toBe(true)
})

test('stop is also heard in a text that was edited to it, and in a row of a list, which is tapped like a button', () => {
  const edited = {
    original_message_id: 'wamid.0',
    message: { type: 'text', text: { body: 'STOP' } },
  }
  expect(one({ type: 'edit', edit: edited })).toMatchObject({ stopText: 'STOP', button: false })
  const row = {
    list_reply: { id: 'unsubscribe', title: 'No more news', description: 'Ends all of them' },
  }
  expect(one({ type: 'interactive', interactive: row })).toMatchObject({
    stopText: 'unsubscribe\nNo more news',
    button: true,
  })
})

test('a caption, a row and a message in a group can say stop, and take none back; a text and a button can do both', () => {
  const image = { type: 'image', image: { id: '1', caption: 'STOP' } }
  expect(one(image)).toMatchObject({ stopText: 'STOP', stopOnly: true })
  expect(
    one({ type: 'edit', edit: { original_message_id: 'wamid.0', message: image } }),
  ).toMatchObject({
    stopText: 'STOP',
    stopOnly: true,
  })
  expect(one({ type: 'audio', audio: { caption: 'STOP' } })!.stopText).toBeUndefined()
  const start = { type: 'text', text: { body: 'START' } }
  expect(one({ ...start, group_id: 'Y2Fw' })).toMatchObject({
    groupId: 'Y2Fw',
    stopText: 'START',
    stopOnly: true,
  })
  expect(one(start)).toMatchObject({ groupId: undefined, stopOnly: false })
  expect(one({ type: 'button', button: { text: 'Start' } })!.stopOnly).toBe(false)
})

test('a message without a type is of the kind of its only node', () => {
  expect(one({ location: { latitude: 1, longitude: 2 } })).toMatchObject({
    type: 'location',
    content: { latitude: 1, longitude: 2 },
  })
  expect(one({ contacts: [{ name: { formatted_name: 'Ida' } }] })).toMatchObject({
    type: 'contacts',
    text: '[contact: Ida]',
  })
  expect(
    one({ edit: { original_message_id: 'w', message: { text: { body: 'STOP' } } } }),
  ).toMatchObject({ type: 'edit', stopText: 'STOP' })
  for (const message of [{}, { text: { body: 'x' }, image: { id: '1' } }, { location: 'here' }])
    expect(one(message)!.type).toBe('unknown')
})

test('a failed status is told by the refusal among its errors, and in words where Meta gives none', () => {
  const failure = (errors: unknown) => {
    const value = {
      metadata: { phone_number_id: '801' },
      statuses: [{ id: 'wamid.1', status: 'failed', errors }],
    }
    return statusFailure(
      statuses({ entry: [{ id: '7', changes: [{ field: 'messages', value }] }] })[0]!.errors,
    )
  }
  const [busy, stopped] = [
    { code: 131000, title: 'Busy' },
    { code: 131050, title: 'Stopped' },
  ]
  expect(failure([busy, stopped])).toEqual(failure([stopped]))
  expect(failure([busy, stopped])).toMatchObject({
    code: 131050,
    message: expect.stringContaining('Meta says: Stopped'),
  })
  expect(failure(stopped)).toEqual(failure([stopped]))
  const unsaid = { code: null, message: 'Meta did not deliver it and gave no reason.' }
  for (const none of [undefined, [], {}, [{}], 'x']) expect(failure(none)).toEqual(unsaid)
  expect(failure({ title: 'Lost' }).message).toContain('Meta says: Lost')
})

test('a user id where a number should stand is a user id, also in a preference and a changed user id', () => {
  const metadata = { phone_number_id: '801' }
  const read = (field: string, item: object) => ({
    entry: [{ id: '7', changes: [{ field, value: { metadata, [field]: [item] } }] }],
  })
  expect(userPreferences(read('user_preferences', { wa_id: 'DE.1', value: 'stop' }))).toMatchObject(
    [{ waId: undefined, userId: 'DE.1' }],
  )
  const change = { wa_id: 'DE.2', user_id: { previous: 'DE.1', current: 'DE.2' } }
  expect(userIdUpdates(read('user_id_update', change))).toMatchObject([
    { waId: undefined, previous: 'DE.1', current: 'DE.2' },
  ])
})

const reply = (interactive: object) => one({ type: 'interactive', interactive })!.content
/** The message that a body with this one alone is read as. */
function one(message: object) {
  const value = {
    metadata: { phone_number_id: '801' },
    messages: [{ id: 'wamid.1', from: '4917000001', ...message }],
  }
  return inboundMessages({ entry: [{ id: '7', changes: [{ field: 'messages', value }] }] })[0]
}

test("a flow's answer is parsed, and kept as text when it is no JSON or nests too deep", () => {
  const flow = (response_json: unknown) =>
    reply({ nfm_reply: { name: 'flow', body: 'Sent', response_json } })
  expect(flow('{"a":"b\\u0000","id":12345678901234567890}')).toMatchObject({
    kind: 'nfm_reply',
    data: { a: 'b', id: '12345678901234567890' },
  })
  expect(flow('["no object"]')).toMatchObject({ data: ['no object'] })
  expect(flow('not json')).toMatchObject({ data: 'not json' })
  const deep = '['.repeat(10_000)
  expect(flow(deep)).toMatchObject({ data: deep })
})

test('only news of a number or user id moves a person; Meta has several words for it', () => {
  const move = (system: object) => one({ type: 'system', system })!.move
  const from = { waId: '4917000001', userId: undefined }
  expect(move({ type: 'user_changed_number', wa_id: '4917000002' })).toEqual({
    from,
    to: { waId: '4917000002', userId: undefined },
  })
  expect(move({ type: 'customer_changed_number', new_wa_id: '4917000002' })).toMatchObject({
    to: { waId: '4917000002' },
  })
  expect(move({ type: 'user_changed_user_id', user_id: 'DE.2' })).toEqual({
    from,
    to: { waId: undefined, userId: 'DE.2' },
  })
  expect(move({ type: 'customer_identity_changed' })).toBeUndefined()
  expect(move({ type: 'user_changed_number' })).toBeUndefined()
})

test("a group's statuses tell their participants apart, whichever way Meta writes the key, and carry their pricing", () => {
  const status = { id: 'wamid.1', status: 'read', recipient_id: 'group-1', recipient_type: 'group' }
  const pricing = { billable: true, pricing_model: 'PMP', category: 'group_marketing' }
  const value = {
    metadata: { phone_number_id: '801' },
    statuses: [
      { ...status, recipient_participant_id: '1', conversation: { id: 'c', pricing } },
      { ...status, participant_recipient_id: '2', pricing: { ...pricing, type: 'regular' } },
      status,
    ],
  }
  const read = statuses({ entry: [{ id: '7', changes: [{ field: 'messages', value }] }] })
  expect(read.map(({ participantId }) => participantId)).toEqual(['1', '2', undefined])
  expect(read.map((each) => each.pricing)).toEqual([
    { billable: true, model: 'PMP', type: undefined, category: 'group_marketing' },
    { billable: true, model: 'PMP', type: 'regular', category: 'group_marketing' },
    undefined,
  ])
})

test('what PostgreSQL would refuse is gone: U+0000 and half surrogate pairs', () => {
  expect(cleanText('a\u0000b\ud800c😀')).toBe('ab\ufffdc😀')
  expect(JSON.stringify(cleanJson({ 'k\u0000': ['\u0000', { __proto__: null, n: 1 }] }))).toBe(
    '{"k":["",{"n":1}]}',
  )
})

test('readers never throw, whatever stands in a body', () => {
  const any = fc.jsonValue({ maxDepth: 2 })
  const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 })
  const types = [
    'text',
    'image',
    'contacts',
    'edit',
    'order',
    'interactive',
    'location',
    'button',
    'reaction',
    'revoke',
    'system',
  ] as const
  const nodes = Object.fromEntries(types.map((name) => [name, any]))
  const message = fc.record({
    id: fc.string(),
    type: fc.constantFrom(...types),
    ...nodes,
    context: any,
    from: any,
    referral: any,
  })
  const status = fc.record({
    id: fc.string(),
    status: fc.string(),
    errors: any,
    timestamp: any,
    pricing: any,
    conversation: any,
  })
  const value = fc.record(
    {
      metadata: fc.constant({ phone_number_id: '801' }),
      contacts: any,
      messages: list(message),
      statuses: list(status),
      user_preferences: list(fc.record({ wa_id: any, value: any })),
      user_id_update: list(fc.record({ user_id: any })),
      message_template_id: any,
      waba_info: any,
    },
    { requiredKeys: [] },
  )
  const fields = [
    'messages',
    'user_preferences',
    'user_id_update',
    'message_template_status_update',
    'account_update',
  ]
  const anyBody = list(
    fc.record({
      id: any,
      time: any,
      changes: list(fc.record({ field: fc.constantFrom(...fields), value })),
    }),
  )
  fc.assert(
    fc.property(anyBody, (entry) => {
      const parsed = parseWebhook(Buffer.from(JSON.stringify({ entry })))
      for (const read of [
        inboundMessages,
        statuses,
        userPreferences,
        userIdUpdates,
        templateEvents,
        accountEvents,
      ])
        read(parsed)
    }),
    { numRuns: 300 },
  )
})

test('an element whose id no index could hold has none, and its neighbours are read', () => {
  const long = 'x'.repeat(6_000)
  const text = (id: string, from = '4917000002') => ({
    id,
    from,
    timestamp: '1790000000',
    type: 'text',
    text: { body: 'Hello' },
  })
  const value = {
    metadata: { phone_number_id: '1' },
    messages: [
      text('wamid.A'),
      text(long),
      text('wamid.B', long),
      { ...text('wamid.C'), type: 'reaction', reaction: { message_id: long } },
    ],
    statuses: [
      { id: long, status: 'sent' },
      { id: 'wamid.S', status: 'sent', timestamp: '1790000000' },
    ],
  }
  const body = {
    object: 'whatsapp_business_account',
    entry: [{ id: '2', changes: [{ field: 'messages', value }] }],
  }
  const parsed = parseWebhook(Buffer.from(JSON.stringify(body)))
  expect(
    inboundMessages(parsed).map(({ wamid, from, targetWamid }) => [wamid, from, targetWamid]),
  ).toEqual([
    ['wamid.A', '4917000002', undefined],
    ['wamid.B', undefined, undefined],
    ['wamid.C', '4917000002', undefined],
  ])
  expect(statuses(parsed).map(({ wamid }) => wamid)).toEqual(['wamid.S'])
})
