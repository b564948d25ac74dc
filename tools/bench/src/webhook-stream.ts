import { randomUUID } from 'node:crypto'
import { createTokens, signBody } from '@lockstep/whatsapp'
import type { Tenant, TestStack } from '../../../test/stack.ts'

/** A connected number with a campaign whose attempts Meta tells about. */
export interface BenchNumber {
  connectionId: string
  phoneNumberId: string
  campaignId: string
}

/** A send that Meta has accepted, of which one status is to come. */
export interface AcceptedAttempt {
  id: string
  recipientId: string
  wamid: string
  kind: 'sent' | 'delivered' | 'read'
}

/** What Meta is going to say about one number. */
export interface Stream {
  number: BenchNumber
  inbound: string[]
  attempts: AcceptedAttempt[]
}

/** Of four elements one is a message and three are statuses: what a campaign makes whose every fourth status is answered. */
export const perMessage = 4
const people = 100
const kinds = ['sent', 'delivered', 'read'] as const

/** Connects numbers, each with a campaign. They stay: what is measured is work on campaigns that are known. */
export async function connectNumbers({ world }: TestStack, tenant: Tenant, count: number, first: number): Promise<BenchNumber[]> {
  const numbers = Array.from({ length: count }, (_, i) => {
    return { connectionId: randomUUID(), phoneNumberId: String(first + i), campaignId: randomUUID() }
  })
  const columns = [numbers.map((n) => n.connectionId), numbers.map((n) => n.phoneNumberId), numbers.map((n) => n.campaignId)]
  await world.sql(
    `insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name, sealed_token,
       per_minute, per_second, max_per_second, quality, connected_at)
     select v.id, account_id, name, v.phone, waba_id, app_id, display_phone_number, verified_name, sealed_token, per_minute, per_second,
       max_per_second, quality, now() - interval '1 hour' from accounts.connections c, unnest($1::uuid[], $2::text[]) v(id, phone) where c.id = $3`,
    [columns[0], columns[1], tenant.connectionId],
  )
  await world.sql(
    `with c as (insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
       select v.id, $1, 'bench', k.id, k.phone_number_id, k.app_id, gen_random_uuid(), '{"tags": ["x"]}', '{}', 'completed', now()
       from unnest($2::uuid[], $3::uuid[]) v(id, connection) join accounts.connections k on k.id = v.connection returning id, account_id)
     insert into campaigns.campaign_statistics (campaign_id, account_id) select id, account_id from c`,
    [tenant.accountId, columns[2], columns[0]],
  )
  return numbers
}

let streams = 0

/** Makes attempts that Meta has accepted, for so many elements of each number. */
export async function makeStreams({ world }: TestStack, numbers: readonly BenchNumber[], elements: number): Promise<Stream[]> {
  const run = ++streams
  const campaigns = numbers.map((n) => n.campaignId)
  const messages = elements / perMessage
  const attempts = await world.sql<{ id: string; recipientId: string; campaignId: string; wamid: string }>(
    `with c as (select id, account_id from campaigns.campaigns where id = any($1)),
       s as (update campaigns.campaign_statistics set recipients = recipients + $2, accepted = accepted + $2 where campaign_id = any($1)),
       r as (insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempts)
         select account_id, id, gen_random_uuid(), id, '4915100000', '', '{}', 'accepted', 1 from c, generate_series(1, $2)
         returning id, account_id, campaign_id)
     insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
     select account_id, campaign_id, id, 1, 'accepted', 1, $3 || id, now() from r
     returning id::text, recipient_id::text as "recipientId", campaign_id as "campaignId", wamid`,
    [campaigns, elements - messages, `wamid.${run}.a`],
  )
  await world.sql(
    `update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a where a.recipient_id = r.id and a.id = any($1)`,
    [attempts.map(({ id }) => id)],
  )
  const byCampaign = Map.groupBy(attempts, (attempt) => attempt.campaignId)
  return numbers.map((number) => ({
    number,
    inbound: Array.from({ length: messages }, (_, i) => `wamid.${run}.${number.phoneNumberId}.${i}`),
    attempts: (byCampaign.get(number.campaignId) ?? []).map((attempt, i) => ({ ...attempt, kind: kinds[i % kinds.length]! })),
  }))
}

/** A signed webhook and the messages that it is about. */
export interface SignedWebhook {
  raw: Buffer
  headers: Record<string, string>
  wamids: string[]
}

/** The headers of a body that Meta has signed. */
export const signed = (appSecret: string, raw: Buffer) => ({ 'x-hub-signature-256': signBody(appSecret, raw) })

/** The streams as webhooks of so many elements, the numbers in turn. */
export function webhooksOf({ world }: TestStack, { appSecret }: Tenant, all: readonly Stream[], elements: number): SignedWebhook[] {
  const tokens = createTokens(world.platformKey)
  const timestamp = String(Math.floor(Date.now() / 1000))
  const each = all.map((stream) => {
    const said = elementsOf(stream)
    return Array.from({ length: said.length / elements }, (_, i) => said.slice(i * elements, (i + 1) * elements)).map((part) => {
      const raw = bodyOf(part, stream.number)
      return { raw, headers: signed(appSecret, raw), wamids: part.map(({ wamid }) => wamid) }
    })
  })
  return Array.from({ length: each[0]!.length }, (_, i) => each.map((webhooks) => webhooks[i]!)).flat()

  function elementsOf({ number, inbound, attempts }: Stream) {
    let nextAttempt = 0
    return Array.from({ length: inbound.length + attempts.length }, (_, i) => {
      const message = i % perMessage === 0
      if (message) {
        const wamid = inbound[i / perMessage]!
        const from = `49151${number.phoneNumberId.slice(-4)}${String((i / perMessage) % people).padStart(4, '0')}`
        return { wamid, message: { from, id: wamid, timestamp, type: 'text', text: { body: 'Is it still there?' } } }
      }
      const { id: attemptId, wamid, kind } = attempts[nextAttempt++]!
      const token = tokens.issue({ kind: 'c', ownerId: number.campaignId, attemptId, phoneNumberId: number.phoneNumberId })
      return { wamid, status: { id: wamid, status: kind, timestamp, recipient_id: '4915100000', biz_opaque_callback_data: token } }
    })
  }
}

function bodyOf(said: { message?: { from: string }; status?: object }[], { phoneNumberId }: BenchNumber): Buffer {
  const messages = said.flatMap(({ message }) => message ?? [])
  const statuses = said.flatMap(({ status }) => status ?? [])
  const contacts = [...new Set(messages.map(({ from }) => from))].map((from) => ({ wa_id: from, profile: { name: `Person ${from}` } }))
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: phoneNumberId },
    ...(messages.length > 0 && { contacts, messages }),
    ...(statuses.length > 0 && { statuses }),
  }
  return Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: '1', changes: [{ field: 'messages', value }] }] }))
}
