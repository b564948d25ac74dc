import { isObject, type JsonObject, listOf, objectOf } from '../json.ts'
import { idsOf, type MetaIds, userIdOf } from '../meta-ids.ts'
import { matchKey } from '../number.ts'
import { idsOfPerson, isOwn } from './echoes.ts'
import type { Element } from './element.ts'
import { type InboundMessage, readMessage } from './message.ts'
import { isButton } from './message-content.ts'
import { stopText } from './message-text.ts'

/** A message from before the number was connected; `from` and the ids are the person's. */
export interface PastMessage extends InboundMessage {
  direction: 'in' | 'out'
  source: 'history'
}

/** The messages of one chunk of a number's history (Meta, history), in its order. */
export function readChunk(element: Element): (PastMessage | undefined)[] {
  const threads = listOf(element.item.threads).filter(isObject)
  return threads.flatMap((thread) =>
    listOf(thread.messages)
      .filter(isObject)
      .map((item) => readPast({ ...element, item }, thread)),
  )
}

/**
 * A message of a chunk, or a file that comes later in place of a `media_placeholder`. A stop in it
 * counts, a start doesn't, and nobody changes their number by it.
 */
export function readPast(element: Element, thread: JsonObject): PastMessage | undefined {
  const { item, people, ownNumber } = element
  const { wa_id, user_id, parent_user_id } = objectOf(thread.context)
  const ofThread = idsOf(wa_id ?? thread.id, user_id)
  const direction = isOut(item, ofThread, ownNumber) ? 'out' : 'in'
  const side = idsOfPerson(item, direction === 'out' ? 'to' : 'from')
  const own = {
    waId: ofThread.waId ?? side.waId,
    userId: ofThread.userId ?? side.userId,
    parentUserId: userIdOf(parent_user_id) ?? side.parentUserId,
  }
  const read = readMessage(
    element,
    people().find({ ...own, isNamed: side.isNamed || thread.id != null }),
  )
  if (!read) return undefined
  const past = { ...read, direction, source: 'history' } as const
  if (direction === 'out') return past
  const { type, message } = read
  return {
    ...past,
    stopText: stopText(type, message),
    button: isButton(type, message),
    stopOnly: true,
  }
}

/**
 * Whether the business wrote a message: by the number, else by whose thread it is, else by its
 * naming an addressee.
 */
function isOut(
  { from, from_user_id, to }: JsonObject,
  thread: MetaIds,
  ownNumber: string | undefined,
): boolean {
  if (isOwn(from, ownNumber)) return true
  if (isOwn(to, ownNumber)) return false
  const writer = idsOf(from, from_user_id)
  if (writer.waId !== undefined && thread.waId !== undefined)
    return matchKey(writer.waId) !== matchKey(thread.waId)
  if (writer.userId !== undefined && thread.userId !== undefined)
    return writer.userId !== thread.userId
  return to != null
}
