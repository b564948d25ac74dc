import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseWebhook, type SplitOptions, splitWebhook, type WebhookPart } from '../src/index.ts'

const mixed = readFileSync(new URL('fixtures/mixed-batch.json', import.meta.url))

/** Tokens `to-campaign-<id>` are valid for every number. */
const options: SplitOptions = {
  verifyToken: (_phoneNumberId, token) => {
    const id = typeof token === 'string' ? /^to-campaign-(.+)$/.exec(token)?.[1] : undefined
    return id === undefined ? undefined : { lane: 'webhooks.campaign', key: id }
  },
}
const split = (body: unknown): WebhookPart[] =>
  splitWebhook(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), options)
const body = (...changes: unknown[]) => ({
  object: 'whatsapp_business_account',
  entry: [{ id: '701', changes }],
})
const messages = (value: object) => ({
  field: 'messages',
  value: { metadata: { phone_number_id: '801' }, ...value },
})

test('each kind of element goes to its lane', () => {
  const parts = splitWebhook(mixed, options)
  expect(parts.map(({ lane, key, field, elements }) => [lane, key, field, elements])).toEqual([
    ['webhooks.message', '801000000000001', 'messages', 3],
    ['webhooks.account', '701000000000001', 'messages', 1],
    ['webhooks.campaign', '7', 'messages', 1],
    ['webhooks.message', '801000000000002', 'messages', 1],
    [null, null, 'messages', 1],
    ['webhooks.message', '801000000000001', 'user_preferences', 1],
    ['webhooks.message', '801000000000001', 'user_id_update', 1],
    ['webhooks.template', '701000000000002', 'message_template_status_update', 2],
    ['webhooks.template', '701000000000002', 'template_category_update', 1],
    ['webhooks.account', '701000000000002', 'phone_number_quality_update', 1],
    [null, null, 'aurora_update', 1],
    [null, null, 'messages', 1],
    ['webhooks.account', '701000000000003', 'account_update', 1],
  ])
  for (const part of parts) expect(part.lane === null).toBe(part.reason !== undefined)
})

test('a part keeps metadata, all contacts, and entry id and time', () => {
  const [first, , , , , , , template] = splitWebhook(mixed, options)
  const value = JSON.parse(first!.content!.toString()).entry[0].changes[0].value
  expect(value.metadata.phone_number_id).toBe('801000000000001')
  expect(value.contacts).toHaveLength(3)
  expect(JSON.parse(template!.content!.toString()).entry[0]).toMatchObject({
    id: '701000000000002',
    time: 1790000007,
  })
})

test('an id past 2^53 comes out of a part with the same digits', () => {
  const template = splitWebhook(mixed, options).find(({ lane }) => lane === 'webhooks.template')!
  expect(template.content!.toString()).toContain('"message_template_id":98765432109876543210')
  expect(template.content!.toString()).toContain('"message_template_id":9007199254740993')
})

test('a body of one lane is its own part, without a copy of its bytes', () => {
  expect(split(body(messages({ messages: [{ id: 'a' }, { id: 'b' }] })))).toEqual([
    { lane: 'webhooks.message', key: '801', field: 'messages', elements: 2, content: null },
  ])
})

test('parts hold at most 500 elements and 256 kB', () => {
  const many = Array.from({ length: 1_201 }, (_, i) => ({ id: `wamid.${i}` }))
  expect(split(body(messages({ messages: many }))).map(({ elements }) => elements)).toEqual([
    500, 500, 201,
  ])
  const large = Array.from({ length: 10 }, (_, i) => ({
    id: `wamid.${i}`,
    text: { body: 'ü'.repeat(35_000) },
  }))
  const parts = split(body(messages({ messages: large })))
  expect(parts.reduce((sum, { elements }) => sum + elements, 0)).toBe(10)
  for (const { content } of parts) expect(content!.length).toBeLessThanOrEqual(256 * 1024)
})

test('contacts larger than a part do not multiply a body without end', () => {
  const contacts = [{ profile: { name: 'x'.repeat(1_000_000) }, wa_id: '1' }]
  const parts = split(
    body(
      messages({
        contacts,
        messages: Array.from({ length: 900 }, (_, i) => ({ id: `wamid.${i}` })),
      }),
    ),
  )
  expect(parts.map(({ elements }) => elements)).toEqual([500, 400])
})

const junk = [{ profile: { name: 'x'.repeat(1_000_000) }, wa_id: '1' }]
test.each<[string, number, () => object]>([
  [
    'one large frame and many empty elements',
    100_000,
    () => body(messages({ contacts: junk, messages: Array.from({ length: 100_000 }, () => ({})) })),
  ],
  [
    'one large frame and elements for many lanes',
    200,
    () =>
      body(
        messages({
          contacts: junk,
          statuses: Array.from({ length: 200 }, (_, i) => ({
            biz_opaque_callback_data: `to-campaign-${i}`,
          })),
        }),
      ),
  ],
  [
    'one large entry and changes for many lanes',
    200,
    () => {
      const change = (_: unknown, i: number) => ({
        field: 'messages',
        value: { metadata: { phone_number_id: `8${i}` }, messages: [{ id: 'a' }] },
      })
      return { entry: [{ id: '701', time: 1, junk, changes: Array.from({ length: 200 }, change) }] }
    },
  ],
  ...(['\u0001'.repeat(128), `7${'\u0000'.repeat(1_000)}`] as const).map(
    (long): [string, number, () => object] => [
      `one large frame, and an entry's id and time of ${long.length} characters that JSON escapes`,
      2_000,
      () => {
        const statuses = Array.from({ length: 2_000 }, (_, i) => ({
          biz_opaque_callback_data: `to-campaign-${i}`,
        }))
        return {
          entry: [{ id: long, time: long, changes: [messages({ contacts: junk, statuses })] }],
        }
      },
    ],
  ),
])(
  'the parts of a body stay within 8 MB of copies and lose no element: %s',
  (_name, elements, make) => {
    const raw = Buffer.from(JSON.stringify(make()))
    const parts = splitWebhook(raw, options)
    const bytes = parts.reduce((sum, { content }) => sum + content!.length, 0)
    expect(bytes).toBeLessThan(raw.length + 8 * 1024 * 1024 + parts.length * 512)
    expect(parts.reduce((sum, part) => sum + part.elements, 0)).toBe(elements)
    for (const { lane, key, content } of parts) {
      const again = splitWebhook(content!, options)
      expect(again.map((part) => [part.lane, part.key])).toEqual([[lane, key]])
    }
  },
)

test('what a part shares is in each of 80 parts of a large batch', () => {
  const contacts = Array.from({ length: 1_000 }, (_, i) => ({
    wa_id: `${i}`,
    profile: { name: 'A person with a name' },
  }))
  const statuses = contacts.map(({ wa_id }, i) => ({
    recipient_id: wa_id,
    biz_opaque_callback_data: `to-campaign-${i % 80}`,
  }))
  const parts = split(body(messages({ contacts, statuses })))
  expect(parts).toHaveLength(80)
  for (const { content } of parts)
    expect(JSON.parse(content!.toString()).entry[0].changes[0].value.contacts).toHaveLength(1_000)
})

test.each<[string, string, string]>([
  ['nothing', '', 'not JSON'],
  ['no JSON', '{"entry":[', 'not JSON'],
  ['a list', '[]', 'not a JSON object'],
  ['no entries', '{"object":"whatsapp_business_account"}', 'no list of entries'],
  ['entries that are no list', '{"entry":{}}', 'no list of entries'],
  ['another object', '{"object":"page","entry":[]}', 'not of the object'],
  ['10,000 levels of lists', `{"entry":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, '64 levels'],
  [
    '10,000 levels of objects',
    `{"entry":[${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}]}`,
    '64 levels',
  ],
  ['10,000 levels, never closed', '['.repeat(10_000), '64 levels'],
])('%s is unreadable and kept as one part that nobody acts on', (_name, text, reason) => {
  expect(split(text)).toEqual([
    {
      lane: null,
      key: null,
      field: null,
      elements: 1,
      content: null,
      reason: expect.stringContaining(reason),
    },
  ])
})

test('brackets inside texts are not nesting', () => {
  expect(
    split(body(messages({ messages: [{ id: 'a', text: { body: '[{"\\'.repeat(5_000) } }] })))[0],
  ).toMatchObject({
    lane: 'webhooks.message',
  })
})

test('a body without elements says so', () => {
  expect(split({ entry: [] })).toMatchObject([{ lane: null, elements: 0, content: null }])
})

test('two shapeless entries that look the same are two elements', () => {
  const parts = split({
    entry: ['x', 'x', { id: '1', changes: [messages({ messages: [{ id: 'a' }] })] }],
  })
  expect(parts.map(({ lane, elements }) => [lane, elements])).toEqual([
    [null, 2],
    ['webhooks.message', 1],
  ])
  expect(JSON.parse(parts[0]!.content!.toString()).entry).toEqual(['x', 'x'])
})

const weird = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, [], {}, '__proto__', 'constructor', -0, 1e300),
)
const id = fc.constantFrom('801', '802', 803, 'bad key', '', null)
const element = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      {
        id: fc.string(),
        biz_opaque_callback_data: fc.constantFrom(
          'to-campaign-1',
          'to-campaign-2',
          'to-campaign-*',
          'x',
          5,
        ),
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: weird },
)
const list = fc.oneof(
  { weight: 5, arbitrary: fc.array(element, { maxLength: 6 }) },
  { weight: 1, arbitrary: weird },
)
const value = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        metadata: fc.record({ phone_number_id: id }),
        contacts: weird,
        messages: list,
        statuses: list,
        errors: list,
        user_preferences: list,
        event: weird,
      },
      { requiredKeys: ['metadata'] },
    ),
  },
  { weight: 1, arbitrary: weird },
)
const field = fc.constantFrom(
  'messages',
  'messages',
  'user_preferences',
  'message_template_status_update',
  'account_update',
  'security',
  'calls',
  'history',
  'flows',
  '__proto__',
  7,
  null,
)
const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ field, value }) },
  { weight: 1, arbitrary: weird },
)
const entry = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      { id, time: fc.nat(), changes: fc.array(change, { maxLength: 4 }) },
      { requiredKeys: ['id', 'changes'] },
    ),
  },
  { weight: 1, arbitrary: weird },
)

const listNames: Record<string, string[]> = {
  messages: ['messages', 'statuses', 'errors'],
  user_preferences: ['user_preferences'],
  calls: ['calls', 'statuses', 'errors'],
  history: ['history', 'messages'],
}

/**
 * The elements of a body, told independently of the code: list items with their frame, whole
 * changes, bare entries. Only usable ids count.
 */
function elementsOf(parsed: { entry: unknown[] }): string[] {
  const isRecord = (x: unknown): x is Record<string, unknown> =>
    typeof x === 'object' && x !== null && !Array.isArray(x)
  return parsed.entry.flatMap((e) => {
    if (!isRecord(e) || !Array.isArray(e.changes)) return [`entry ${JSON.stringify(e)}`]
    const entryId = /^[\w-]+$/.test(String(e.id)) ? e.id : null
    return e.changes.flatMap((c: unknown) => {
      const whole = [`change ${JSON.stringify([entryId, e.time, c])}`]
      if (!isRecord(c) || !isRecord(c.value) || typeof c.field !== 'string') return whole
      const { value: v } = c
      const lists = (Object.hasOwn(listNames, c.field) ? listNames[c.field]! : []).filter(
        (name) => v[name] != null,
      )
      const items = lists.every((name) => Array.isArray(v[name]))
        ? lists.flatMap((name) => (v[name] as unknown[]).map((item) => [name, item]))
        : []
      return items.length > 0
        ? items.map(
            (item) =>
              `item ${JSON.stringify([entryId, e.time, c.field, v.metadata, v.contacts, item])}`,
          )
        : whole
    })
  })
}

test('every element lands in exactly one part, and parts read back as the same elements', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), (entries) => {
      const raw = JSON.stringify({ object: 'whatsapp_business_account', entry: entries })
      const parts = split(raw)
      const contents = parts.map(({ content }) => JSON.parse(content?.toString() ?? raw))
      const before = elementsOf(JSON.parse(raw))
      expect(contents.flatMap(elementsOf).sort()).toEqual(before.sort())
      contents.forEach((content, i) => {
        expect(elementsOf(content)).toHaveLength(parts[i]!.elements)
      })
    }),
    { numRuns: 1_000 },
  )
})

test('a part split again is one part of the same lane and key', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), (entries) => {
      for (const part of split({ entry: entries })) {
        if (part.content)
          expect(splitWebhook(part.content, options)).toEqual([{ ...part, content: null }])
      }
    }),
    { numRuns: 300 },
  )
})

test('any integer, however long, is the same after parsing and splitting', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
      fc.bigInt({ min: 1n, max: 2n ** 60n }),
      (a, b) => {
        const template = `{"field":"message_template_status_update","value":{"message_template_id":${a}}}`
        const other = `{"field":"calls","value":{"n":[${b},-${b}]}}`
        const parts = split(`{"entry":[{"id":"1","changes":[${template},${other}]}]}`)
        expect(parts.map(({ content }) => content!.toString())).toEqual([
          expect.stringContaining(`:${a}}`),
          expect.stringContaining(`[${b},-${b}]`),
        ])
      },
    ),
  )
})

test('no bytes at all make the parser or the splitter throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        parseWebhook(Buffer.from(bytes))
        expect(splitWebhook(Buffer.from(bytes), options).length).toBeGreaterThan(0)
      },
    ),
    { numRuns: 500 },
  )
})
