import {
  cleanJson,
  idOf,
  isObject,
  type JsonObject,
  listOf,
  objectOf,
  parseLossless,
  textOf,
} from '../json.ts'
import { idsOf, type MetaIds, userIdOf, waIdOf } from '../meta-ids.ts'

/** A file that a person sent: Meta keeps it for 7 days under its id (meta-cloud-api.md §4). */
export interface Media {
  id: string
  mimeType: string
  /** Of the file, as Meta writes it: base64. */
  sha256: string
  caption?: string
  /** Documents only. */
  filename?: string
  /** Audio that was recorded in the chat. */
  voice?: boolean
  /** Stickers only. */
  animated?: boolean
}

/** `voice` is a type of old payloads. */
const mediaTypes = new Set(['image', 'video', 'document', 'audio', 'sticker', 'voice'])

/** Types whose node has their name. */
const nodeTypes = [
  ...mediaTypes,
  'text',
  'location',
  'contacts',
  'interactive',
  'button',
  'order',
  'reaction',
  'system',
  'revoke',
  'edit',
  'unsupported',
]

/** The type of a message; that of its only node when Meta leaves it out. */
export function typeOf(message: JsonObject): string {
  const type = textOf(message.type)
  if (type) return type
  const [node, ...others] = nodeTypes.filter(
    (name) => isObject(message[name]) || Array.isArray(message[name]),
  )
  return node !== undefined && others.length === 0 ? node : 'unknown'
}

/** The file of a message, or of what a message was edited to. */
export function mediaOf(type: string, message: JsonObject): Media | undefined {
  if (type === 'edit') return editedOf(message, mediaOf)
  const node = objectOf(message[type])
  const id = mediaTypes.has(type) ? textOf(node.id) : undefined
  if (!id) return undefined
  const media: Media = {
    id,
    mimeType: textOf(node.mime_type) ?? '',
    sha256: textOf(node.sha256) ?? '',
  }
  const [caption, filename] = [textOf(node.caption), textOf(node.filename)]
  if (caption !== undefined) media.caption = caption
  if (filename !== undefined) media.filename = filename
  if (typeof node.voice === 'boolean') media.voice = node.voice
  if (typeof node.animated === 'boolean') media.animated = node.animated
  return media
}

/**
 * What a person tapped or filled in: the answer to a button, a list, a flow or a question of ours.
 */
export interface Reply {
  /**
   * `button` of a template, or as Meta names the reply: button_reply, list_reply, nfm_reply,
   * call_permission_reply.
   */
  kind: string
  /**
   * The id or payload that we gave it, the name of a flow, or the response to a call permission
   * request.
   */
  id: string
  title: string
  /**
   * What a flow sent, parsed where it is JSON; Meta says that it may lack its token or be no
   * object.
   */
  data?: unknown
}

/**
 * The node of a location, contacts or an order as Meta sends it, or the reply of a button, list or
 * flow; undefined for other types and for what can't be read.
 */
export function contentOf(
  type: string,
  message: JsonObject,
): JsonObject | unknown[] | Reply | undefined {
  const node = message[type]
  if (type === 'location' || type === 'order') return isObject(node) ? node : undefined
  if (type === 'contacts') return Array.isArray(node) ? node : undefined
  if (type === 'button')
    return {
      kind: 'button',
      id: textOf(objectOf(node).payload) ?? '',
      title: textOf(objectOf(node).text) ?? '',
    }
  return type === 'interactive' ? interactiveReply(objectOf(node)) : undefined
}

function interactiveReply(node: JsonObject): Reply | undefined {
  for (const kind of ['button_reply', 'list_reply']) {
    const reply = node[kind]
    if (isObject(reply))
      return { kind, id: textOf(reply.id) ?? '', title: textOf(reply.title) ?? '' }
  }
  if (isObject(node.nfm_reply)) {
    const { name, body, response_json } = node.nfm_reply
    return {
      kind: 'nfm_reply',
      id: textOf(name) ?? '',
      title: textOf(body) ?? '',
      data: parsed(response_json),
    }
  }
  if (!isObject(node.call_permission_reply)) return undefined
  const { response, ...data } = node.call_permission_reply
  return { kind: 'call_permission_reply', id: textOf(response) ?? '', title: '', data }
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return cleanJson(parseLossless(Buffer.from(value)))
  } catch {
    return value
  }
}

/** The message that a reaction, edit or deletion is about; undefined for every other type. */
export function targetOf(type: string, message: JsonObject): string | undefined {
  const node = objectOf(message[type])
  if (type === 'reaction') return idOf(node.message_id)
  return type === 'edit' || type === 'revoke' ? idOf(node.original_message_id) : undefined
}

/** The emoji of a reaction, empty when it was taken back: Meta then sends an empty one or none. */
export function emojiOf(type: string, message: JsonObject): string | undefined {
  return type === 'reaction' ? (textOf(objectOf(message.reaction).emoji) ?? '') : undefined
}

/** Where a message comes from beside its sender: an ad or post, a product, another chat. */
export interface Origin {
  forwarded: boolean
  /** Forwarded more than five times. */
  frequentlyForwarded: boolean
  referredProduct: JsonObject | undefined
  /** The ad or post that led the person here. */
  referral: JsonObject | undefined
}

export function originOf(message: JsonObject): Origin {
  const context = objectOf(message.context)
  return {
    forwarded: context.forwarded === true || context.frequently_forwarded === true,
    frequentlyForwarded: context.frequently_forwarded === true,
    referredProduct: isObject(context.referred_product) ? context.referred_product : undefined,
    referral: isObject(message.referral) ? message.referral : undefined,
  }
}

/** A person who is known by other ids from now on. */
export interface IdentityMove {
  from: MetaIds
  to: MetaIds & { parentUserId: string | undefined }
}

/**
 * `customer_changed_number` is the old name. `customer_identity_changed` is about a key: nobody
 * gets another id by it.
 */
const moving = new Set(['user_changed_number', 'customer_changed_number', 'user_changed_user_id'])

/** The move that a system message tells of; its `from` is the old number. */
export function moveOf(
  type: string,
  message: JsonObject,
  sender: MetaIds,
): IdentityMove | undefined {
  const node = objectOf(message.system)
  if (type !== 'system' || !moving.has(textOf(node.type) ?? '')) return undefined
  const to = {
    ...idsOf(node.wa_id ?? node.new_wa_id, node.user_id),
    parentUserId: userIdOf(node.parent_user_id),
  }
  return to.waId === undefined && to.userId === undefined ? undefined : { from: sender, to }
}

/**
 * Reads what a message was edited to. One level only: an edit of an edit is not a thing, and must
 * not become a loop.
 */
export function editedOf<T>(
  message: JsonObject,
  read: (type: string, edited: JsonObject) => T,
): T | undefined {
  const edited = objectOf(objectOf(message.edit).message)
  const type = typeOf(edited)
  return type === 'edit' ? undefined : read(type, edited)
}

/**
 * The person's own number, where they shared it because they were asked to
 * (business-scoped-user-ids, REQUEST_CONTACT_INFO).
 */
export function sharedNumberOf(type: string, message: JsonObject): string | undefined {
  if (type !== 'contacts') return undefined
  const own = listOf(message.contacts).filter(
    (contact) => objectOf(contact).origin === 'contact_request',
  )
  const numbers = own.flatMap((contact) =>
    listOf(objectOf(contact).phones).flatMap((phone) => numberOf(objectOf(phone)) ?? []),
  )
  return new Set(numbers).size === 1 ? numbers[0] : undefined
}

const numberOf = ({ wa_id, phone }: JsonObject): string | undefined =>
  waIdOf(wa_id) ?? waIdOf(phone)

/** The participant of a group whom a status is about; Meta's pages name the key in two ways. */
export function participantOf(status: JsonObject): string | undefined {
  return textOf(status.recipient_participant_id) ?? textOf(status.participant_recipient_id)
}

/** What Meta charges for a message, or that it charges nothing. */
export interface Pricing {
  /** Undefined where Meta leaves it out: the key is deprecated. */
  billable: boolean | undefined
  /** CBP before 2025-07-01, PMP since. */
  model: string | undefined
  /** regular, free_customer_service or free_entry_point. */
  type: string | undefined
  category: string | undefined
}

/** A group's statuses are seen with the pricing inside of the conversation. */
export function pricingOf(status: JsonObject): Pricing | undefined {
  const node = [status.pricing, objectOf(status.conversation).pricing].find(isObject)
  if (!node) return undefined
  const { billable, pricing_model, type, category } = node
  return {
    billable: typeof billable === 'boolean' ? billable : undefined,
    model: textOf(pricing_model),
    type: textOf(type),
    category: textOf(category),
  }
}

/**
 * Words that a person tapped, on a button or in a list, are evidence of another kind than words
 * that they wrote.
 */
export function isButton(type: string, message: JsonObject): boolean {
  return (
    type === 'button' ||
    isRow(type, message) ||
    (type === 'interactive' && isObject(objectOf(message.interactive).button_reply))
  )
}

/**
 * A row of a list stands in a menu of the business, beside others; what it says is less of a
 * person's own word than a button's.
 */
function isRow(type: string, message: JsonObject): boolean {
  return type === 'interactive' && isObject(objectOf(message.interactive).list_reply)
}

/**
 * A row of a menu, a caption, which is about its picture first, and what is said before a group can
 * be a stop, and take none back.
 */
export function isStopOnly(type: string, message: JsonObject): boolean {
  if (message.group_id !== undefined || isRow(type, message) || mediaTypes.has(type)) return true
  return type === 'edit' && editedOf(message, isStopOnly) === true
}
