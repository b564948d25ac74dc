import { cleanJson, idOf, type JsonObject, objectOf, timestampMsOf } from '../json.ts'
import { idsOf, userIdOf } from '../meta-ids.ts'
import type { Element } from './element.ts'
import {
  contentOf,
  emojiOf,
  type IdentityMove,
  isButton,
  isStopOnly,
  type Media,
  mediaOf,
  moveOf,
  type Origin,
  originOf,
  sharedNumberOf,
  targetOf,
  typeOf,
} from './message-content.ts'
import { displayText, stopText } from './message-text.ts'
import type { Person } from './person.ts'

/**
 * A message that a person sent (Meta, webhooks/reference/messages). What it lacks or has in a wrong
 * shape is undefined or null.
 */
export interface InboundMessage extends Origin, Omit<Person, 'waId'> {
  phoneNumberId: string
  wabaId: string | undefined
  wamid: string
  type: string
  /** At Meta; null when it can't be read. */
  timestampMs: number | null
  /** Digits; missing for people with a username (business-scoped-user-ids). */
  from: string | undefined
  /** The group in which it was written; missing for what one person writes to the number. */
  groupId: string | undefined
  /** What a person reads in a list of messages, for every type. */
  text: string
  /** In which the person may have said stop, see `stopText`. */
  stopText: string | undefined
  /** `stopText` stood on a button or in a list. */
  button: boolean
  /** `stopText` can be a stop, and takes none back, see `isStopOnly`. */
  stopOnly: boolean
  /** The message that this one answers. */
  contextWamid: string | undefined
  /** The message that a reaction, edit or deletion is about. */
  targetWamid: string | undefined
  /** Of a reaction; empty when it was taken back. */
  emoji: string | undefined
  media: Media | undefined
  /** Location, contacts, order or reply: see `contentOf`. */
  content: object | undefined
  /** The ids by which the person is known from now on, if the message tells of a change. */
  move: IdentityMove | undefined
  /** The element as it came, safe to store as jsonb. */
  message: JsonObject
}

/**
 * A message that names its sender; undefined without an id, for nothing could tell it apart when it
 * comes again.
 */
export function readInbound(element: Element): InboundMessage | undefined {
  const { from, from_user_id, from_parent_user_id } = element.item
  const own = idsOf(from, from_user_id)
  const isNamed = (from ?? from_user_id) != null
  const sender = element
    .people()
    .find({ ...own, parentUserId: userIdOf(from_parent_user_id), isNamed })
  const read = readMessage(element, sender)
  if (!read) return undefined
  const { type, message } = read
  return {
    ...read,
    from: read.from ?? sharedNumberOf(type, message),
    stopText: stopText(type, message),
    button: isButton(type, message),
    stopOnly: isStopOnly(type, message),
    move: moveOf(type, message, own),
  }
}

/** A message with a person, whoever of the two wrote it; nothing in it can be a stop yet. */
export function readMessage(
  { item, phoneNumberId, wabaId }: Pick<Element, 'item' | 'phoneNumberId' | 'wabaId'>,
  { waId, ...person }: Person,
): InboundMessage | undefined {
  const message = cleanJson(item) as JsonObject
  const wamid = idOf(message.id)
  if (!wamid) return undefined
  const type = typeOf(message)
  return {
    phoneNumberId,
    wabaId,
    wamid,
    type,
    timestampMs: timestampMsOf(message.timestamp),
    from: waId,
    ...person,
    groupId: idOf(message.group_id),
    text: displayText(type, message),
    stopText: undefined,
    button: false,
    stopOnly: false,
    contextWamid: idOf(objectOf(message.context).id),
    targetWamid: targetOf(type, message),
    emoji: emojiOf(type, message),
    media: mediaOf(type, message),
    content: contentOf(type, message),
    move: undefined,
    ...originOf(message),
    message,
  }
}
