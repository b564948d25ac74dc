import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, draft, importCsv, openApi, openStack, type Stack, tenant } from './fixtures.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
})
afterAll(() => up.disposeAsync())

/** Imports two people of a tag, of whom one then says stop on the phone. */
async function importTwoAndStopOne(key: string): Promise<void> {
  const file = await importCsv(
    api,
    key,
    'name,phone,tags\nAna,+49 1512 0000001,spring\nBo,+49 1512 0000002,spring\nNobody,,spring\n',
  )
  expect(file.json).toMatchObject({ state: 'done', rows: 3, created: 2, rejected: 1 })
  const errors = await api.ask(key, 'GET', `/v1/contact-imports/${file.json.id}/errors`)
  expect(errors.json).toMatchObject({ errors: [{ line: 4 }], next_cursor: null })

  const first = await api.ask(key, 'GET', '/v1/contacts?tag=spring&limit=1')
  expect(first.json.contacts).toHaveLength(1)
  const second = await api.ask(
    key,
    'GET',
    `/v1/contacts?tag=spring&limit=2&cursor=${first.json.next_cursor}`,
  )
  expect(second.json).toMatchObject({
    contacts: [{ tags: ['spring'], attributes: {}, opted_out: false }],
    next_cursor: null,
  })
  const stopped = second.json.contacts[0].id
  const consent = await api.ask(key, 'POST', `/v1/contacts/${stopped}/consent`, {
    kind: 'opt_out',
    evidence: 'said so on the phone',
  })
  expect(consent).toMatchObject({ status: 200, json: { id: stopped, opted_out: true } })
}

test('a campaign is run from the connection to the last recipient through the API alone', async () => {
  const { key, connectionId } = await tenant(stack, api, '9001')
  const templates = await api.ask(
    key,
    'GET',
    `/v1/templates?connection_id=${connectionId}&status=approved`,
  )
  expect(templates.json.templates).toMatchObject([
    { name: 'hello', language: 'en_US', status: 'APPROVED', components: [{ type: 'BODY' }] },
  ])

  await importTwoAndStopOne(key)
  const created = await api.ask(key, 'POST', '/v1/campaigns', draft(connectionId))
  expect(created).toMatchObject({
    status: 201,
    json: { state: 'draft', values: { 'body.1': '{{name}}' }, filter: { tags: ['spring'] } },
  })
  expect(created.json.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  const { id } = created.json
  expect((await api.ask(key, 'POST', `/v1/campaigns/${id}/start`)).json.state).toBe('preparing')
  const done = await until(async () => {
    const { json } = await api.ask(key, 'GET', `/v1/campaigns/${id}`)
    return json.state === 'completed' ? json : undefined
  })
  expect(done.statistics).toMatchObject({ recipients: 2, accepted: 1, skipped: 1 })
  const accepted = await api.ask(key, 'GET', `/v1/campaigns/${id}/recipients?state=accepted`)
  expect(accepted.json.recipients).toMatchObject([
    { phone: '4915120000001', state: 'accepted', attempts: 1 },
  ])
  expect(accepted.json.recipients[0].wamid).toMatch(/^wamid\./)
  expect(await api.ask(key, 'POST', `/v1/campaigns/${id}/resend-unknown`)).toMatchObject({
    status: 200,
    json: { queued: 0 },
  })
  expect((await api.ask(key, 'GET', '/v1/conversations')).json).toEqual({
    conversations: [],
    next_cursor: null,
  })
  expect(
    (await api.ask(key, 'GET', `/v1/inbound-count?connection_id=${connectionId}&since_ms=0`)).json,
  ).toEqual({ messages: 0 })
})

test('limits are set within what Meta allows the number, and no answer holds a token', async () => {
  const { key, connectionId } = await tenant(stack, api, '9002')
  const set = await api.ask(key, 'PUT', `/v1/connections/${connectionId}/limits`, {
    per_minute: 600,
    per_second: 20,
  })
  expect(set).toMatchObject({ status: 200, json: { per_minute: 600, per_second: 20 } })
  const beyond = await api.ask(key, 'PUT', `/v1/connections/${connectionId}/limits`, {
    per_minute: 600,
    per_second: 81,
  })
  expect(beyond.status).toBe(400)
  expect(beyond.json.detail).toContain('from 1 to 80')
  const listed = await api.ask(key, 'GET', '/v1/connections')
  expect(listed.json.connections).toMatchObject([
    { id: connectionId, per_minute: 600, quality: 'GREEN', disconnected_at: null },
  ])
  expect(JSON.stringify([set.json, listed.json])).not.toMatch(/token-|access_token|sealed/i)
})

test('a token is replaced, and a number that was disconnected is the same connection when it is connected again', async () => {
  const { key, connectionId, appId } = await tenant(stack, api, '9005')
  const replace = (access_token: string) =>
    api.ask(key, 'PUT', `/v1/connections/${connectionId}/token`, { access_token })
  const refused = await replace('wrong')
  expect(refused).toMatchObject({
    status: 422,
    json: { code: 'precondition', detail: expect.stringMatching(/9005.*access token/) },
  })
  const number = await stack.number('9005')
  const replaced = await replace(number.access_token)
  expect(replaced).toMatchObject({ status: 200, json: { id: connectionId, disconnected_at: null } })
  expect(JSON.stringify([refused.json, replaced.json])).not.toContain(number.access_token)
  const ended = await api.ask(key, 'POST', `/v1/connections/${connectionId}/disconnect`)
  expect(ended.json.disconnected_at).toMatch(/^\d{4}-/)
  expect(await replace(number.access_token)).toMatchObject({ status: 422 })
  const again = await api.ask(key, 'POST', '/v1/connections', { ...number, app_id: appId })
  expect(again).toMatchObject({ status: 201, json: { id: connectionId, disconnected_at: null } })
})

const ad = { source_id: '4001', source_type: 'ad' }

/** A file that is edited, reacted to and deleted, a location, and a text in a group; `at` in seconds. */
function messagesOfAllKinds(from: string, at: number): object[] {
  const message = (id: string, after: number, more: object) => ({
    from,
    id,
    timestamp: String(at + after),
    ...more,
  })
  const image = (caption: string) => ({
    type: 'image',
    image: { id: '7', mime_type: 'image/png', sha256: 'abc=', caption },
  })
  return [
    message('wamid.file', 0, { ...image('Befor'), referral: ad, context: { forwarded: true } }),
    message('wamid.edit', 1, {
      type: 'edit',
      edit: { original_message_id: 'wamid.file', message: image('Before') },
    }),
    message('wamid.like', 2, {
      type: 'reaction',
      reaction: { message_id: 'wamid.file', emoji: '👍' },
    }),
    message('wamid.revoke', 3, { type: 'revoke', revoke: { original_message_id: 'wamid.file' } }),
    message('wamid.where', 4, { location: { latitude: 48.4, longitude: 9.9 } }),
    message('wamid.group', 5, { type: 'text', text: { body: 'Hello all' }, group_id: 'Y2Fw' }),
  ]
}

/** Of a message of which no more is known than that it came. */
const noDetails = {
  edited_at: null,
  original_text: null,
  revoked_at: null,
  media: null,
  content: null,
  reactions: [],
  referral: null,
}

/** What is shown of the file and of the location. */
function expectedMessages(contactId: string, at: number) {
  const iso = (after: number) => new Date((at + after) * 1000).toISOString()
  const plain = {
    ...noDetails,
    direction: 'in',
    contact_id: contactId,
    group_id: null,
    target_wamid: null,
    forwarded: false,
  }
  const location = {
    ...plain,
    wamid: 'wamid.where',
    type: 'location',
    at: iso(4),
    content: { latitude: 48.4, longitude: 9.9 },
  }
  const file = {
    ...{
      ...plain,
      wamid: 'wamid.file',
      text: 'Before',
      original_text: 'Befor',
      edited_at: iso(1),
      revoked_at: iso(3),
    },
    ...{
      referral: ad,
      forwarded: true,
      reactions: [{ emoji: '👍', at: iso(2), contact_id: contactId }],
    },
    media: {
      id: '7',
      mime_type: 'image/png',
      sha256: 'abc=',
      caption: 'Before',
      filename: '',
      voice: false,
      animated: false,
    },
  }
  return { location, file }
}

test('a message is shown with all that is known of it: as edited, with its file and reactions, and that it was deleted', async () => {
  const { key, appId } = await tenant(stack, api, '9006')
  const from = '4915120000001'
  const at = Math.floor(Date.now() / 1000) - 60
  const messages = messagesOfAllKinds(from, at)
  const contacts = [{ wa_id: from, profile: { name: 'Ana', username: 'ana' } }]
  const value = { metadata: { phone_number_id: '9006' }, contacts, messages }
  await stack.deliver(appId, {
    object: 'whatsapp_business_account',
    entry: [{ id: '202', changes: [{ field: 'messages', value }] }],
  })
  const [group, own] = await until(async () => {
    const { conversations } = (await api.ask(key, 'GET', '/v1/conversations')).json
    return conversations.length === 2 ? conversations : undefined
  })
  const [contact] = (await api.ask(key, 'GET', '/v1/contacts')).json.contacts
  expect(contact).toMatchObject({ name: 'Ana', profile_name: 'Ana', username: 'ana' })
  expect([group, own]).toMatchObject([
    { group_id: 'Y2Fw', contact_id: null },
    { group_id: null, contact_id: contact.id },
  ])
  const { location, file } = expectedMessages(contact.id, at)
  const listed = await api.ask(key, 'GET', `/v1/conversations/${own.id}/messages`)
  expect(listed.json).toMatchObject({ messages: [location, file], next_cursor: null })
  const said = await api.ask(key, 'GET', `/v1/conversations/${group.id}/messages`)
  expect(said.json.messages).toMatchObject([
    { text: 'Hello all', group_id: 'Y2Fw', contact_id: contact.id },
  ])
})
