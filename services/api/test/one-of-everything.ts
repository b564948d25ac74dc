import { until } from '@lockstep/testing'
import { draft, type Stack } from './fixtures.ts'

/** Asks as one account. */
export interface Asks {
  /** A request that must succeed; answers the JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what is in it is what the tests find out
  ask(method: string, url: string, body?: unknown, atMoment?: boolean): Promise<any>
  /** Reads something that changes until it is as it must be. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  look(url: string): Promise<any>
}

/** What an account writes about itself. */
export interface Texts {
  app: string
  number: string
  tag: string
  person: string
  phone: string
  campaign: string
  longTag: string
  longCampaign: string
  hello: string
}

const usual: Texts = {
  app: 'App',
  number: '9501',
  tag: 'spring',
  person: 'Ana',
  phone: '4915120000001',
  campaign: 'Spring',
  longTag: 'many',
  longCampaign: 'Long',
  hello: 'Hello',
}

/** Ids of what an account has. */
export interface Everything {
  accountId: string
  appId: string
  connectionId: string
  syncId: string
  templateId: string
  importId: string
  attributeId: string
  contactId: string
  /** Of a campaign that is completed, of one that is paused, and of the first one's recipient. */
  campaignId: string
  pausedId: string
  recipientId: string
  conversationId: string
  messageId: string
  eventId: string
  endpointId: string
}

/** Makes one of everything through the API, for an account without anything. */
export async function makeEverything(
  system: Stack,
  accountId: string,
  asks: Asks,
  texts: Texts = usual,
): Promise<Everything> {
  const connected = await connect(system, asks, texts)
  const templates = await syncTemplates(asks, connected.connectionId)
  const attributeId = await haveAttributes(asks)
  const people = await importPeople(asks, texts)
  await chooseRules(asks, people.contactId)
  const campaigns = await runCampaigns(asks, connected.connectionId, texts)
  const heard = await hear(system, asks, connected, texts)
  const endpointId = await haveEventsPosted(asks)
  await lookAtDeadLetters(asks)
  return {
    accountId,
    attributeId,
    ...connected,
    ...templates,
    ...people,
    ...campaigns,
    ...heard,
    endpointId,
  }
}

/** There are none: each answer says so. */
async function lookAtDeadLetters({ ask }: Asks): Promise<void> {
  const named = { lane: 'contacts.import', ids: ['1'] }
  await ask('GET', '/v1/dead-letters')
  await ask('POST', '/v1/dead-letters/replay', named)
  await ask('POST', '/v1/dead-letters/dismiss', named)
}

/** To an address where nobody listens. */
async function haveEventsPosted({ ask }: Asks): Promise<string> {
  const path = '/v1/webhook-endpoints'
  const asked = { url: 'https://127.0.0.1/hook', topics: ['webhooks'] }
  const { endpoint } = await ask('POST', path, asked)
  const { id } = endpoint
  await ask('GET', path)
  await ask('GET', `${path}/${id}`)
  await ask('PATCH', `${path}/${id}`, { description: 'Shop' })
  await ask('POST', `${path}/${id}/enable`)
  await ask('POST', `${path}/${id}/rotate-secret`, { overlap_hours: 1 })
  await ask('POST', `${path}/${id}/test`, undefined, true)
  await ask('POST', `${path}/${id}/replay`, { delivery_ids: ['1'] })
  await ask('GET', `/v1/webhook-deliveries?endpoint_id=${id}`)
  const { endpoint: second } = await ask('POST', path, asked)
  await ask('DELETE', `${path}/${second.id}`)
  return id as string
}

async function connect(system: Stack, { ask, look }: Asks, texts: Texts) {
  const app = { name: texts.app, meta_app_id: '1', secret: 'app-secret', verify_token: 'verify' }
  const { id: appId } = await ask('POST', '/v1/apps', app)
  await ask('GET', '/v1/apps')
  await ask('GET', `/v1/apps/${appId}`)
  await ask('PATCH', `/v1/apps/${appId}`, { verify_token: 'verify' })
  await ask('POST', `/v1/apps/${appId}/verify-webhook`, { replace: false })
  await ask('POST', `/v1/apps/${appId}/rotate-secret`, { secret: app.secret, overlap_hours: 1 })
  const number = await system.number(texts.number)
  const { id } = await ask('POST', '/v1/connections', { ...number, app_id: appId })
  await ask('GET', '/v1/connections')
  await ask('GET', `/v1/connections/${id}`)
  await ask('PATCH', `/v1/connections/${id}`, { name: texts.app })
  const limits = { per_minute: 600, per_second: 20 }
  await ask('PUT', `/v1/connections/${id}/limits`, limits)
  await ask('PUT', `/v1/connections/${id}/token`, { access_token: number.access_token })
  await signUp(system, { ask, look }, appId, texts.number)
  const told = '/v1/events?topics=connections'
  await until(async () => (await look(told)).events.length === 4)
  await ask('GET', `${told}&limit=1`)
  return { appId: appId as string, connectionId: id as string }
}

/** A customer's number, by a code that is then used up; it is disconnected again. */
async function signUp(system: Stack, { ask }: Asks, appId: string, like: string): Promise<void> {
  const asked = await system.signUp(`${like}7`)
  const { id } = await ask('POST', '/v1/connections/sign-up', { ...asked, app_id: appId })
  await ask('POST', `/v1/connections/${id}/disconnect`)
}

async function syncTemplates({ ask, look }: Asks, connectionId: string) {
  const { id } = await ask('POST', `/v1/connections/${connectionId}/template-syncs`)
  await until(async () => (await look(`/v1/template-syncs/${id}`)).state === 'done')
  await ask('GET', `/v1/template-syncs/${id}`)
  const listed = `/v1/templates?connection_id=${connectionId}&status=APPROVED`
  const { templates } = await ask('GET', listed)
  await ask('GET', `/v1/templates/${templates[0].id}`)
  return { syncId: id as string, templateId: templates[0].id as string }
}

async function importPeople(asks: Asks, { tag, person, phone }: Texts) {
  const { ask } = asks
  await ask('GET', '/v1/contact-settings')
  await ask('PUT', '/v1/contact-settings', { default_country: 'DE' })
  const written = `+${phone.slice(0, 2)} ${phone.slice(2, 6)} ${phone.slice(6)}`
  const csv = `name,phone,tags,city\n${person},${written},${tag},Ulm\nNobody,,${tag},\n`
  const { id } = await ask('POST', '/v1/contact-imports?file_name=people.csv', csv)
  await imported(asks, id)
  await ask('GET', `/v1/contact-imports/${id}`)
  await ask('GET', `/v1/contact-imports/${id}/errors`)
  const { contacts } = await ask('GET', `/v1/contacts?tag=${encodeURIComponent(tag)}`)
  await ask('GET', `/v1/contacts/${contacts[0].id}`)
  const where = { field: 'tag', op: 'is', value: tag }
  const filter = encodeURIComponent(JSON.stringify({ version: 1, where }))
  await ask('GET', `/v1/contact-count?filter=${filter}`)
  await keepPerson(asks, written)
  return { importId: id as string, contactId: contacts[0].id as string }
}

/** One with a type, and another that was one. */
async function haveAttributes({ ask }: Asks): Promise<string> {
  const path = '/v1/contact-attributes'
  const size = { name: 'size', type: 'choice', choices: ['S', 'M'] }
  const { id } = await ask('POST', path, size)
  await ask('GET', path)
  await ask('PATCH', `${path}/${id}`, { label: 'Size', choices: ['S', 'M', 'L'] })
  const { id: second } = await ask('POST', path, { name: 'born', type: 'date' })
  await ask('DELETE', `${path}/${second}?keep_values=true`)
  return id as string
}

/** Somebody else, who comes and goes. */
async function keepPerson({ ask }: Asks, alike: string): Promise<void> {
  const named = { phone: `${alike.slice(0, -4)}0002`, name: 'Bea', email: 'bea@example.com' }
  const more = { language: 'pt-BR', time_zone: 'America/Sao_Paulo', tags: ['shop'] }
  const { id } = await ask('POST', '/v1/contacts', {
    ...named,
    ...more,
    attributes: { city: 'Ulm' },
  })
  const changes = { name: 'Beatriz', add_tags: ['vip'], attributes: { city: null } }
  await ask('PATCH', `/v1/contacts/${id}`, changes)
  await ask('DELETE', `/v1/contacts/${id}`)
  await ask('POST', `/v1/contacts/${id}/forget`)
}

const imported = ({ look }: Asks, id: string) =>
  until(async () => (await look(`/v1/contact-imports/${id}`)).state === 'done')

async function chooseRules({ ask }: Asks, contact: string) {
  const consent = { kind: 'opt_in', evidence: 'ticked in the shop' }
  await ask('POST', `/v1/contacts/${contact}/consent`, consent)
  await ask('GET', '/v1/consent-rules')
  await ask('PUT', '/v1/consent-rules', { utility_after_stop: true })
}

async function runCampaigns(asks: Asks, connectionId: string, texts: Texts) {
  const { ask } = asks
  const short = { ...draft(connectionId, texts.campaign), filter: { tags: [texts.tag] } }
  const { id } = await ask('POST', '/v1/campaigns', short)
  await ask('GET', '/v1/campaigns')
  const { id: unwanted } = await ask('POST', '/v1/campaigns', short)
  await ask('PATCH', `/v1/campaigns/${unwanted}`, { name: 'Summer' })
  await ask('DELETE', `/v1/campaigns/${unwanted}`)
  await ask('POST', `/v1/campaigns/${id}/start`)
  await becomes(asks, id, 'completed')
  await ask('GET', `/v1/campaigns/${id}`)
  const { recipients } = await ask('GET', `/v1/campaigns/${id}/recipients?state=accepted`)
  await ask('POST', `/v1/campaigns/${id}/resend-unknown`, { recipient_ids: [] })
  const pausedId = await runLong(asks, connectionId, texts)
  return { campaignId: id as string, recipientId: recipients[0].id as string, pausedId }
}

/** One that takes long enough to be paused. */
async function runLong(asks: Asks, connectionId: string, texts: Texts): Promise<string> {
  const { ask } = asks
  await ask('PUT', `/v1/connections/${connectionId}/limits`, { per_minute: 1, per_second: 1 })
  const lines = Array.from({ length: 30 }, (_, n) => {
    const phone = `+${texts.phone.slice(0, -4)}${1000 + n}`
    return `P${n},${phone},${texts.longTag}\n`
  })
  const csv = `name,phone,tags\n${lines.join('')}`
  await imported(asks, (await ask('POST', '/v1/contact-imports?file_name=many.csv', csv)).id)
  const long = { ...draft(connectionId, texts.longCampaign), filter: { tags: [texts.longTag] } }
  const { id } = await ask('POST', '/v1/campaigns', long)
  await ask('POST', `/v1/campaigns/${id}/start`)
  await becomes(asks, id, 'sending')
  await ask('POST', `/v1/campaigns/${id}/pause`, undefined, true)
  return id
}

const becomes = ({ look }: Asks, id: string, state: string) =>
  until(async () => (await look(`/v1/campaigns/${id}`)).state === state)

async function hear(
  system: Stack,
  { ask, look }: Asks,
  { appId, connectionId }: Pick<Everything, 'appId' | 'connectionId'>,
  { number, person, phone, hello }: Texts,
) {
  const at = String(Math.floor(Date.now() / 1_000))
  const text = { from: phone, id: `wamid.hello${number}`, timestamp: at, type: 'text' }
  const value = {
    metadata: { phone_number_id: number },
    contacts: [{ wa_id: phone, profile: { name: person } }],
    messages: [{ ...text, text: { body: hello } }],
  }
  const review = { field: 'account_review_update', value: { decision: 'APPROVED' } }
  const changes = [{ field: 'messages', value }, review]
  await system.deliver(appId, {
    object: 'whatsapp_business_account',
    entry: [{ id: '202', time: Number(at), changes }],
  })
  const listed = (list: string) =>
    until(async () => (await look(`/v1/${list}`))[list.replace('account-', '')].length > 0)
  await Promise.all([listed('conversations'), listed('account-events')])
  const { events } = await ask('GET', '/v1/account-events')
  const { conversations } = await ask('GET', '/v1/conversations')
  const { messages } = await ask('GET', `/v1/conversations/${conversations[0].id}/messages`)
  await ask('GET', `/v1/inbound-count?connection_id=${connectionId}`)
  return {
    conversationId: conversations[0].id as string,
    messageId: messages[0].id as string,
    eventId: events[0].id as string,
  }
}
