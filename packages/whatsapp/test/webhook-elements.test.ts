import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  accountEvents,
  cleanJson,
  cleanText,
  displayText,
  inboundMessages,
  parseWebhook,
  statuses,
  templateEvents,
  userIdUpdates,
  userPreferences,
  valueErrors,
} from '../src/index.ts'

const mixed = parseWebhook(readFileSync(new URL('fixtures/mixed-batch.json', import.meta.url)))

test('senders are matched by wa_id or user_id, wherever their contact stands', () => {
  const read = inboundMessages(mixed).map(({ wamid, from, userId, profileName }) => [wamid, from, userId, profileName])
  expect(read).toEqual([
    ['wamid.IN1', '4917000002', undefined, 'Ana'],
    ['wamid.IN2', undefined, 'NG.333', 'Chidi'],
    ['wamid.IN3', undefined, 'BR.111', 'Bruna'],
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
  expect(unknown).toMatchObject({ type: 'hologram', text: '[hologram]', stopText: undefined, timestampMs: null })
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
  expect(valueErrors(mixed)).toEqual([
    { phoneNumberId: '801000000000001', code: 131000, title: 'Something went wrong', details: 'Old shape' },
  ])
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
  expect(userPreferences(mixed)).toMatchObject([{ waId: '4917000002', preference: 'stop', timestampMs: 1_790_000_005_000 }])
  expect(userIdUpdates(mixed)).toMatchObject([{ previous: 'DE.1', current: 'DE.2', timestampMs: 1_790_000_006_000 }])
  expect(accountEvents(mixed).map(({ wabaId, field }) => [wabaId, field])).toEqual([
    ['701000000000002', 'phone_number_quality_update'],
    ['701000000000003', 'account_update'],
  ])
})

test.each<[string, object, string]>([
  ['image', { image: { id: '1', caption: 'Our cat' } }, 'Our cat'],
  ['audio', { audio: { voice: true } }, '[voice message]'],
  ['document', { document: { filename: 'menu.pdf', caption: 'The menu' } }, 'menu.pdf\nThe menu'],
  ['location', { location: { latitude: '52.5', longitude: 13.4 } }, '[location 52.5, 13.4]'],
  ['contacts', { contacts: [{ name: { formatted_name: 'Ida' } }, { phones: [] }] }, '[contact: Ida, without a name]'],
  ['interactive', { interactive: { list_reply: { id: 'x', title: 'Rye', description: 'dark' } } }, 'Rye\ndark'],
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

test('what PostgreSQL would refuse is gone: U+0000 and half surrogate pairs', () => {
  expect(cleanText('a\u0000b\ud800c😀')).toBe('ab\ufffdc😀')
  expect(JSON.stringify(cleanJson({ 'k\u0000': ['\u0000', { __proto__: null, n: 1 }] }))).toBe('{"k":["",{"n":1}]}')
})

test('readers never throw, whatever stands in a body', () => {
  const any = fc.jsonValue({ maxDepth: 2 })
  const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 })
  const type = fc.constantFrom('text', 'contacts', 'edit', 'order', 'interactive', 'location')
  const message = fc.record({ id: fc.string(), type, text: any, contacts: any, edit: any, interactive: any, context: any, from: any })
  const status = fc.record({ id: fc.string(), status: fc.string(), errors: any, timestamp: any })
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
  const fields = ['messages', 'user_preferences', 'user_id_update', 'message_template_status_update', 'account_update']
  const anyBody = list(fc.record({ id: any, time: any, changes: list(fc.record({ field: fc.constantFrom(...fields), value })) }))
  fc.assert(
    fc.property(anyBody, (entry) => {
      const parsed = parseWebhook(Buffer.from(JSON.stringify({ entry })))
      for (const read of [inboundMessages, statuses, valueErrors, userPreferences, userIdUpdates, templateEvents, accountEvents])
        read(parsed)
    }),
    { numRuns: 300 },
  )
})
