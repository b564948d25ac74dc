import type { WebhookLane } from '@lockstep/contracts'
import {
  idOf,
  isObject,
  type JsonObject,
  objectOf,
  parseLossless,
  TooManyValues,
  textOf,
  timestampMsOf,
} from '../json.ts'

/**
 * `{object, entry:[{id, time?, changes:[{field, value}]}]}` (Meta, webhooks/overview). Only the
 * outer frame is certain; each reader skips what it can't read.
 */
interface WebhookBody {
  object?: string
  entry: unknown[]
}

interface Unreadable {
  /** Why, for a person. */
  unreadable: string
  /** It may be readable, but holds more than is read at once. */
  isOver?: boolean
}

export type ParsedWebhook = WebhookBody | Unreadable

/** One change of one entry, as far as its frame can be read. */
export interface WebhookChange {
  entry: unknown
  change: unknown
  /** Mostly the WABA, see `wabaIdOf`; undefined when missing. */
  entryId: string | undefined
  /** `entry.time`: on template and account fields only. */
  entryTimeMs: number | null
  /** Null when the change is not an object with a `field` and an object as `value`. */
  field: string | null
  value: JsonObject
}

const webhookObject = 'whatsapp_business_account'

/**
 * Parses a webhook body without losing a digit of its ids. Never throws: what is not a webhook body
 * says why it is unreadable.
 */
export function parseWebhook(raw: Buffer, options?: { isUnbounded?: boolean }): ParsedWebhook {
  let body: unknown
  try {
    body = parseLossless(raw, options)
  } catch (error) {
    if (error instanceof TooManyValues) return { unreadable: error.message, isOver: true }
    return { unreadable: error instanceof Error ? error.message : 'The body is not JSON' }
  }
  if (!isObject(body)) return { unreadable: 'The body is not a JSON object' }
  if (body.object !== undefined && body.object !== webhookObject)
    return { unreadable: `The body is not of the object ${webhookObject}` }
  if (!Array.isArray(body.entry)) return { unreadable: 'The body has no list of entries' }
  return body as unknown as WebhookBody
}

/**
 * Every change of every entry: a body may hold several WABAs, fields and numbers (Meta,
 * webhooks/overview).
 */
export function* changesOf(parsed: ParsedWebhook): Generator<WebhookChange> {
  if ('unreadable' in parsed) return
  for (const entry of parsed.entry) {
    const { id, time, changes } = objectOf(entry)
    const frame = { entry, entryId: textOf(id), entryTimeMs: timestampMsOf(time) }
    if (!Array.isArray(changes)) yield { ...frame, change: undefined, field: null, value: {} }
    else for (const change of changes) yield { ...frame, change, ...contentOf(change) }
  }
}

function contentOf(change: unknown): Pick<WebhookChange, 'field' | 'value'> {
  const { field, value } = objectOf(change)
  const name = isObject(value) ? textOf(field) : undefined
  return name === undefined
    ? { field: null, value: {} }
    : { field: name.slice(0, 128).toWellFormed(), value: value as JsonObject }
}

/** Lists in a value whose items are elements of their own, by field. */
const listsByField: Readonly<Record<string, readonly string[]>> = {
  messages: ['messages', 'statuses', 'errors'],
  user_preferences: ['user_preferences'],
  user_id_update: ['user_id_update'],
  smb_message_echoes: ['message_echoes'],
  calls: ['calls', 'statuses', 'errors'],
  history: ['history', 'messages'],
  smb_app_state_sync: ['state_sync'],
  standby: ['messages', 'message_echoes'],
}

/**
 * The list of `messages` and `calls` whose items are about the account or its number, and so no
 * element of the number's lane.
 */
export const errorList = 'errors'

/**
 * Fields about a WABA, its numbers or its business whose names don't say so (Meta,
 * webhooks/overview).
 */
const accountFields: ReadonlySet<string> = new Set([
  'business_capability_update',
  'business_username_updates',
  'partner_solutions',
  'payment_configuration_update',
  'security',
])

/** What an app is subscribed to: the fields of Meta's table (meta-cloud-api.md §2) that are acted on. */
export const webhookFields: readonly string[] = [
  ...['messages', 'user_preferences'],
  ...['message_template_status_update', 'message_template_quality_update'],
  ...['message_template_components_update', 'template_category_update'],
  ...['account_update', 'account_review_update', 'account_alerts', 'security'],
  ...['phone_number_quality_update', 'phone_number_name_update', 'business_capability_update'],
]

/**
 * What a field is about: which lane its elements belong to, and the lists in which they stand
 * (none: the change is the element).
 */
export function fieldRule(field: string): { lane: WebhookLane | null; lists: readonly string[] } {
  const lists = Object.hasOwn(listsByField, field) ? listsByField[field]! : []
  if (lists.length > 0) return { lane: 'webhooks.message', lists }
  if (field.startsWith('message_template_') || field === 'template_category_update')
    return { lane: 'webhooks.template', lists }
  const account = /^(account|phone_number)_/.test(field) || accountFields.has(field)
  return { lane: account ? 'webhooks.account' : null, lists }
}

/** The number that a value is about. */
export function phoneNumberIdOf(value: JsonObject): string | undefined {
  return textOf(objectOf(value.metadata).phone_number_id)
}

/**
 * The WABA that a change is about: `entry.id` is a business portfolio in events of partners and of
 * terms (Meta, account_update), so the value's own comes first.
 */
export function wabaIdOf({
  entryId,
  value,
}: Pick<WebhookChange, 'entryId' | 'value'>): string | undefined {
  return idOf(objectOf(value.waba_info).waba_id) || entryId
}
