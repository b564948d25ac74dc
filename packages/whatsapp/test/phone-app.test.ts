import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseWebhook } from '../src/index.ts'
import { appContacts, countElements, threadMessages } from './elements.ts'

const own = '15550100'
const ada = '491512000001'
const adaEntry = { profile: { name: 'Ada' }, wa_id: ada, user_id: 'DE.ada1' }

const body = (field: string, value: object) => ({
  entry: [
    {
      id: '7',
      changes: [
        {
          field,
          value: { metadata: { phone_number_id: '801', display_phone_number: own }, ...value },
        },
      ],
    },
  ],
})

const text = (words: string) => ({
  id: 'wamid.1',
  timestamp: '1790000000',
  type: 'text',
  text: { body: words },
})

function echo(message: object, contacts: object[] = [adaEntry]) {
  return threadMessages(body('smb_message_echoes', { contacts, message_echoes: [message] }))[0]
}

test("an echo is the business's message to the person, by all ids that the value names", () => {
  expect(echo({ from: own, to: ada, ...text('Sent by hand') })).toMatchObject({
    ...{
      direction: 'out',
      source: 'phone_app',
      wamid: 'wamid.1',
      text: 'Sent by hand',
      timestampMs: 1_790_000_000_000,
    },
    ...{ from: ada, userId: 'DE.ada1', profileName: 'Ada' },
  })
  const withIds = echo(
    { from: own, to_user_id: 'DE.bob1', to_parent_user_id: 'DE.ENT.P1', ...text('Hello') },
    [],
  )
  expect(withIds).toMatchObject({ from: undefined, userId: 'DE.bob1', parentUserId: 'DE.ENT.P1' })
  expect(
    echo({ from: own, to: ada, ...text('Hello') }, [{ ...adaEntry, wa_id: '491512000002' }]),
  ).toMatchObject({ userId: undefined })
})

test('an echo whose sides stand the other way round is about the same person', () => {
  const edit = {
    original_message_id: 'wamid.0',
    message: { type: 'text', text: { body: 'Corrected' } },
  }
  expect(
    echo({ from: ada, to: `+${own}`, id: 'wamid.2', timestamp: '1790000001', type: 'edit', edit }),
  ).toMatchObject({
    ...{ direction: 'out', from: ada, type: 'edit', targetWamid: 'wamid.0', text: 'Corrected' },
  })
  expect(
    echo({
      from: ada,
      to: own,
      id: 'wamid.3',
      type: 'revoke',
      revoke: { original_message_id: 'wamid.0' },
    }),
  ).toMatchObject({
    ...{ direction: 'out', from: ada, type: 'revoke', targetWamid: 'wamid.0' },
  })
})

test('nothing that the business writes is a word of the person', () => {
  expect(echo({ from: own, to: ada, ...text('STOP') })).toMatchObject({
    stopText: undefined,
    button: false,
    move: undefined,
  })
  const system = { type: 'system', system: { type: 'user_changed_number', wa_id: '491512000009' } }
  expect(echo({ from: own, to: ada, id: 'wamid.4', ...system })).toMatchObject({
    from: ada,
    move: undefined,
  })
  const card = {
    type: 'contacts',
    contacts: [{ origin: 'contact_request', phones: [{ wa_id: '491512000009' }] }],
  }
  expect(echo({ from: own, to_user_id: 'DE.ada1', id: 'wamid.5', ...card }, [])).toMatchObject({
    from: undefined,
    userId: 'DE.ada1',
  })
})

test('whatever stands in them, readers of what the phone app tells never throw', () => {
  const any = fc.jsonValue({ maxDepth: 3 })
  const list = (item: fc.Arbitrary<unknown>) => fc.array(item, { maxLength: 3 })
  const element = fc.record(
    { id: fc.string(), type: any, from: any, to: any, to_user_id: any, edit: any },
    { requiredKeys: [] },
  )
  const chunk = fc.record({
    threads: list(fc.oneof(any, fc.record({ id: any, context: any, messages: list(element) }))),
    errors: any,
  })
  const lists = ['message_echoes', 'calls', 'statuses', 'history', 'messages', 'state_sync']
  const fields = ['smb_message_echoes', 'calls', 'history', 'smb_app_state_sync', 'standby']
  const value = fc.record({
    metadata: fc.record({ phone_number_id: fc.constant('801'), display_phone_number: any }),
    contacts: any,
    ...Object.fromEntries(lists.map((name) => [name, list(fc.oneof(any, element, chunk))])),
  })
  const bodies = list(fc.record({ field: fc.constantFrom(...fields), value }))
  fc.assert(
    fc.property(bodies, (changes) => {
      const parsed = parseWebhook(Buffer.from(JSON.stringify({ entry: [{ id: '7', changes }] })))
      const read = threadMessages(parsed).length + appContacts(parsed).length
      expect(countElements(parsed, '801')).toBeGreaterThanOrEqual(read)
    }),
    { numRuns: 300 },
  )
})
