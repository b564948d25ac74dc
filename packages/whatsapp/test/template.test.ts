import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { buildTemplateMessage, buildTextMessage, templateVariables } from '../src/index.ts'

const components = JSON.parse(
  readFileSync(new URL('fixtures/template-components.json', import.meta.url), 'utf8'),
) as Record<string, unknown[]>
const build = (
  kind: string,
  values: Record<string, string>,
  to: { phone: string } | { userId: string } = { phone: '4917000002' },
) =>
  buildTemplateMessage({
    template: { name: 'order_sent', language: 'en_US', components: components[kind]! },
    to,
    values,
    token: 'lk1.x',
  })

test('a template names the values it needs, in order, each once', () => {
  expect(templateVariables(components.positional!).map(({ key }) => key)).toEqual([
    'header.1',
    'body.1',
    'body.2',
    'button.1.1',
    'button.2.code',
  ])
  expect(templateVariables(components.named!).map(({ key }) => key)).toEqual([
    'header.image',
    'body.first_name',
    'body.table_no',
  ])
  expect(templateVariables(components.code!).map(({ key }) => key)).toEqual([
    'body.1',
    'button.0.code',
  ])
  expect(
    templateVariables([
      null,
      'x',
      { type: 5 },
      { type: 'BODY' },
      { type: 'BUTTONS', buttons: [null] },
    ]),
  ).toEqual([])
})

test('positional values are sent in the order of their numbers, buttons by their position', () => {
  expect(
    build('positional', {
      'header.1': 'Ana',
      'body.1': 'Ana',
      'body.2': 'No 7',
      'button.1.1': 't7',
      'button.2.code': 'BREAD',
    }),
  ).toEqual({
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    to: '+4917000002',
    type: 'template',
    biz_opaque_callback_data: 'lk1.x',
    template: {
      name: 'order_sent',
      language: { code: 'en_US' },
      components: [
        { type: 'header', parameters: [{ type: 'text', text: 'Ana' }] },
        {
          type: 'body',
          parameters: [
            { type: 'text', text: 'Ana' },
            { type: 'text', text: 'No 7' },
          ],
        },
        { type: 'button', sub_type: 'url', index: '1', parameters: [{ type: 'text', text: 't7' }] },
        {
          type: 'button',
          sub_type: 'copy_code',
          index: '2',
          parameters: [{ type: 'coupon_code', coupon_code: 'BREAD' }],
        },
      ],
    },
  })
})

test('named values are sent by name, media by link, user ids as recipient', () => {
  const message = build(
    'named',
    { 'header.image': 'https://bakery.example/a.png', first_name: 'Ana', 'body.table_no': '4' },
    { userId: 'DE.9a' },
  )
  expect(message).toMatchObject({ recipient: 'DE.9a' })
  expect(message).not.toHaveProperty('to')
  expect((message.template as { components: unknown }).components).toEqual([
    {
      type: 'header',
      parameters: [{ type: 'image', image: { link: 'https://bakery.example/a.png' } }],
    },
    {
      type: 'body',
      parameters: [
        { type: 'text', parameter_name: 'first_name', text: 'Ana' },
        { type: 'text', parameter_name: 'table_no', text: '4' },
      ],
    },
  ])
})

test('a missing or empty value is named with its place', () => {
  expect(() => build('positional', { 'header.1': 'Ana', 1: 'Ana', 2: ' ' })).toThrow(
    'Template "order_sent" needs a value for {{2}} of its body',
  )
  expect(() => build('positional', { 1: 'Ana', 2: 'x' })).toThrow('{{1}} of its header')
  expect(() => build('positional', { 'header.1': 'A', 1: 'Ana', 2: 'x' })).toThrow(
    '{{1}} of its button "Track"',
  )
})

test('a kind of template that values alone do not describe is refused before anything is sent', () => {
  expect(() => build('carousel', {})).toThrow('it has a carousel')
})

test('a phone number always goes out with its plus; what is no address is refused', () => {
  expect(build('code', { 1: '99', code: '99' }, { phone: '+554784178525' })).toMatchObject({
    to: '+554784178525',
  })
  for (const phone of ['', '0170123456', '49 170', '+', '123'])
    expect(() => build('code', { 1: '9', code: '9' }, { phone })).toThrow('is not a phone number')
  expect(() => build('code', { 1: '9', code: '9' }, { userId: '4917000002' })).toThrow(
    'is not a WhatsApp user id',
  )
})

test('a free text goes out as given, up to the length that WhatsApp takes', () => {
  const message = { to: { phone: '4917000002' }, token: 'lk1.x', contextWamid: 'wamid.IN1' }
  expect(buildTextMessage({ ...message, text: ' Hi ' })).toMatchObject({
    to: '+4917000002',
    context: { message_id: 'wamid.IN1' },
    text: { body: ' Hi ' },
  })
  expect(() => buildTextMessage({ ...message, text: 'x'.repeat(4_097) })).toThrow('at most 4096')
  expect(() => buildTextMessage({ ...message, text: ' \n' })).toThrow('empty')
})
