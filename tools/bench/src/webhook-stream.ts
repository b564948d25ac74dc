import type { TestSystem } from '@lockstep/testing/system'
import { createTokens, signBody, type Tokens } from '@lockstep/whatsapp'
import { type AcceptedAttempt, type SeededNumber, seedAccepted } from './seed.ts'

export type Kind = 'messages' | 'statuses'

const statusKinds = ['sent', 'delivered', 'read'] as const

/** What Meta is going to say about one number; each of it is one row in the end. */
export interface Element {
  number: SeededNumber
  wamid: string
  /** Of a message: who writes. */
  person?: string
  /** Of a status: of which attempt, and which. */
  attempt?: AcceptedAttempt & { kind: (typeof statusKinds)[number] }
}

/** A signed webhook and the messages that it is about. */
export interface SignedWebhook {
  raw: Buffer
  headers: Record<string, string>
  path: string
  wamids: string[]
}

/** People who write, over all numbers together: so many are known after the warm-up, however many numbers there are. */
const people = 1_000

let streams = 0

/** Elements of one kind, the numbers in turn. */
export async function makeElements(
  { world }: TestSystem,
  numbers: readonly SeededNumber[],
  kind: Kind,
  count: number,
): Promise<Element[]> {
  const run = ++streams
  const each = Math.ceil(count / numbers.length)
  const accepted =
    kind === 'statuses' ? await seedAccepted(world, numbers, each, `wamid.${run}.a`) : undefined
  const peopleEach = Math.max(1, Math.floor(people / numbers.length))
  return Array.from({ length: each * numbers.length }, (_, i) => {
    const number = numbers[i % numbers.length]!
    const nth = Math.floor(i / numbers.length)
    const attempt = accepted?.get(number.campaignId)?.[nth]
    if (attempt)
      return { number, wamid: attempt.wamid, attempt: { ...attempt, kind: statusKinds[i % 3]! } }
    const person = `49151${number.phoneNumberId.slice(-4)}${String(nth % peopleEach).padStart(4, '0')}`
    return { number, wamid: `wamid.${run}.${number.phoneNumberId}.${nth}`, person }
  })
}

/** The headers of a body that Meta has signed. */
export const signed = (appSecret: string, raw: Buffer) => ({
  'x-hub-signature-256': signBody(appSecret, raw),
})

/** What one webhook carries: elements of one number. */
interface Batch {
  number: SeededNumber
  elements: readonly Element[]
}

/** Elements as webhooks of so many of one number each, every tenth of them sent twice. */
export function webhooksOf(
  { world }: TestSystem,
  elements: readonly Element[],
  size: number,
): SignedWebhook[] {
  const tokens = createTokens(world.platformKey)
  const webhooks = batchesOf(elements, size).map((batch) => {
    const { appId, appSecret } = batch.number.tenant
    const raw = bodyOf(batch, tokens)
    return {
      raw,
      headers: signed(appSecret, raw),
      path: `/webhooks/${appId}`,
      wamids: batch.elements.map(({ wamid }) => wamid),
    }
  })
  return webhooks.flatMap((webhook, i) =>
    i % 10 === 9 ? [webhook, webhooks[Math.max(0, i - 37)]!] : [webhook],
  )
}

/** Up to `size` elements each, the numbers in turn. */
function batchesOf(elements: readonly Element[], size: number): Batch[] {
  const byNumber = [...Map.groupBy(elements, ({ number }) => number)].map(([number, all]) =>
    Array.from({ length: Math.ceil(all.length / size) }, (_, i) => ({
      number,
      elements: all.slice(i * size, (i + 1) * size),
    })),
  )
  const most = Math.max(...byNumber.map((each) => each.length))
  return Array.from({ length: most }, (_, i) => byNumber.flatMap((each) => each[i] ?? [])).flat()
}

function bodyOf({ number, elements }: Batch, tokens: Tokens): Buffer {
  const { phoneNumberId, wabaId } = number
  const timestamp = String(Math.floor(Date.now() / 1000))
  const messages = elements.flatMap((element) => messageOf(element, timestamp))
  const statuses = elements.flatMap((element) => statusOf(element, tokens, timestamp))
  const contacts = [...new Set(messages.map(({ from }) => from))].map((from) => ({
    wa_id: from,
    profile: { name: `Person ${from}` },
  }))
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: phoneNumberId },
    ...(messages.length > 0 && { contacts, messages }),
    ...(statuses.length > 0 && { statuses }),
  }
  const entry = [{ id: wabaId, changes: [{ field: 'messages', value }] }]
  return Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry }))
}

function messageOf({ wamid, person }: Element, timestamp: string) {
  if (!person) return []
  const text = { body: 'Is it still there?' }
  return [{ from: person, id: wamid, timestamp, type: 'text', text }]
}

function statusOf({ number, attempt }: Element, tokens: Tokens, timestamp: string) {
  if (!attempt) return []
  const { campaignId: ownerId, phoneNumberId } = number
  const token = tokens.issue({ kind: 'c', ownerId, attemptId: attempt.id, phoneNumberId })
  return [
    {
      id: attempt.wamid,
      status: attempt.kind,
      timestamp,
      recipient_id: '4915100000',
      biz_opaque_callback_data: token,
    },
  ]
}
