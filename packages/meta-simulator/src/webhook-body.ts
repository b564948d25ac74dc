import { createHmac } from 'node:crypto'
import type { Person, Step } from './fate.ts'
import { statusError } from './graph-errors.ts'
import type { ElementRef } from './log.ts'
import type { PhoneNumber } from './state.ts'

/** An accepted message and what is still to happen to it. */
export interface Journey {
  wamid: string
  phoneNumberId: string
  recipient: string
  callback?: string
  /** Template category in lower case, or `service`. */
  category: string
  steps: Step[]
  /** Bit n set: step n was delivered before a restart. */
  delivered: number
}

/** One update on its way to a callback URL. Small: it may wait for long while a callback is down. */
export type Element =
  | { kind: 'status'; journey: Journey; step: Step; atMs: number }
  | {
      kind: 'message'
      phoneNumberId: string
      from: string
      name?: string
      username?: string
      message: Record<string, unknown> & { id: string }
    }
  | {
      kind: 'event'
      id: string
      wabaId: string
      field: string
      value: Record<string, unknown>
      atMs: number
    }

type Json = Record<string, unknown>

/** Looks up what bodies are made of. */
export interface Directory {
  number(id: string): PhoneNumber | undefined
  person(wabaId: string, recipient: string): Person
}

/** What the log says about an element. */
export function refOf(element: Element): ElementRef {
  if (element.kind === 'status') {
    const { wamid, phoneNumberId } = element.journey
    return { wamid, status: element.step.kind, phoneNumberId }
  }
  if (element.kind === 'message')
    return { messageId: element.message.id, phoneNumberId: element.phoneNumberId }
  return { eventId: element.id, field: element.field }
}

/**
 * The body that carries these elements: an entry for each WABA, in it a change for each number and kind, and for each event
 * (meta-cloud-api.md §1 "Envelope", §3; `entry.time` only beside events).
 */
export function composeBody(elements: Element[], directory: Directory): Json {
  const entries = new Map<string, { id: string; time?: number; changes: Json[] }>()
  const values = new Map<string, { contacts?: Json[]; [list: string]: unknown }>()
  for (const element of elements) {
    if (element.kind === 'event') {
      const isOfNumber = element.value.metadata !== undefined
      const entry = entryOf(entries, element.wabaId, isOfNumber ? 'messages' : 'event')
      if (!isOfNumber) entry.time = Math.floor(element.atMs / 1000)
      entry.changes.push({ value: withNumericId(element.value), field: element.field })
      continue
    }
    const status = element.kind === 'status'
    const number = directory.number(status ? element.journey.phoneNumberId : element.phoneNumberId)
    if (!number) continue
    const list = status ? 'statuses' : 'messages'
    const value =
      values.get(`${number.id}|${list}`) ??
      newValue(entryOf(entries, number.wabaId, 'messages').changes, number, list)
    values.set(`${number.id}|${list}`, value)
    const person = directory.person(
      number.wabaId,
      status ? element.journey.recipient : element.from,
    )
    const item = status
      ? statusItem(element, person)
      : {
          ...(person.waId && { from: person.waId }),
          from_user_id: person.userId,
          ...element.message,
        }
    ;(value[list] as Json[]).push(item)
    if (hasContact(element)) addContact(value, person, status ? {} : element)
  }
  return { object: 'whatsapp_business_account', entry: [...entries.values()] }
}

function entryOf(
  entries: Map<string, { id: string; time?: number; changes: Json[] }>,
  wabaId: string,
  kind: string,
) {
  const entry = entries.get(`${wabaId}|${kind}`) ?? { id: wabaId, changes: [] }
  entries.set(`${wabaId}|${kind}`, entry)
  return entry
}

function newValue(
  changes: Json[],
  number: PhoneNumber,
  list: string,
): { contacts?: Json[]; [list: string]: unknown } {
  const metadata = { display_phone_number: number.digits, phone_number_id: number.id }
  const value = { messaging_product: 'whatsapp', metadata, [list]: [] }
  changes.push({ value, field: 'messages' })
  return value
}

/** Neither `failed` nor news of the system bring contacts (meta-cloud-api.md §3). */
function hasContact(element: Exclude<Element, { kind: 'event' }>): boolean {
  return element.kind === 'status'
    ? element.step.kind !== 'failed'
    : element.message.type !== 'system'
}

function addContact(
  value: { contacts?: Json[] },
  person: Person,
  { name = person.name, username }: { name?: string; username?: string },
): void {
  value.contacts ??= []
  if (value.contacts.some((each) => each.user_id === person.userId)) return
  value.contacts.push({
    profile: { name, ...(username !== undefined && { username }) },
    ...(person.waId && { wa_id: person.waId }),
    user_id: person.userId,
  })
}

/** A status (meta-cloud-api.md §3): pricing on `sent` and on one of `delivered` and `read`, errors on `failed`, no conversation since v24. */
function statusItem(
  { journey, step, atMs }: Extract<Element, { kind: 'status' }>,
  person: Person,
): Json {
  const priced =
    step.kind === 'sent' ||
    step.kind === 'delivered' ||
    !journey.steps.some((each) => each.kind === 'delivered')
  return {
    id: journey.wamid,
    status: step.kind,
    timestamp: String(Math.floor(atMs / 1000)),
    ...(person.waId && { recipient_id: person.waId }),
    ...((step.kind !== 'failed' || !person.waId) && { recipient_user_id: person.userId }),
    ...(journey.callback !== undefined && { biz_opaque_callback_data: journey.callback }),
    ...(step.kind === 'failed'
      ? { errors: [statusError(step.code!)] }
      : priced && { pricing: pricingOf(journey.category) }),
  }
}

/** Per-message pricing (meta-cloud-api.md §3, §7): what is no template lies inside the window and is free. */
function pricingOf(category: string): Json {
  const free = category === 'service'
  return {
    billable: !free,
    pricing_model: 'PMP',
    type: free ? 'free_customer_service' : 'regular',
    category,
  }
}

/**
 * The bytes that go out and are signed: every code unit above U+007F as lower case `\uXXXX`, so characters outside the basic plane as
 * surrogate pairs (meta-cloud-api.md §1 "Unicode").
 */
export function encodeBody(body: unknown): Buffer {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is exactly what may stay as it is.
  const text = JSON.stringify(body).replace(/[^\x00-\x7f]/g, escaped)
  return Buffer.from(text, 'latin1')
}

/** The `X-Hub-Signature-256` of a body: HMAC-SHA256 over its raw bytes (meta-cloud-api.md §1). */
export function signBody(secret: string, body: Buffer): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}

declare global {
  interface JSON {
    /** Text that `stringify` puts out as it is (ECMAScript proposal JSON.parse source text access; in Node 22 and later). */
    rawJSON(text: string): unknown
  }
}

/** Webhooks show a template's id as a JSON number with all its digits, even above 2^53 (meta-cloud-api.md §2, §8). */
function withNumericId(value: Json): Json {
  const id = value.message_template_id
  return typeof id === 'string' && /^\d+$/.test(id)
    ? { ...value, message_template_id: JSON.rawJSON(id) }
    : value
}
