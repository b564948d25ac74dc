import { messagesOfChunk } from './history-chunk.ts'
import { type InboundMessage, readMessage } from './inbound-messages.ts'
import { type JsonObject, objectOf } from './json.ts'
import { isButton } from './message-content.ts'
import { stopText } from './message-text.ts'
import { idsOf, type MetaIds, userIdOf } from './meta-ids.ts'
import { matchKey } from './number.ts'
import { idsOfPerson, isOwn } from './phone-app.ts'
import type { ParsedWebhook } from './webhook.ts'
import { type Element, elements } from './webhook-elements.ts'

/** A message from before the number was connected; `from` and the ids are the person's. */
export interface PastMessage extends InboundMessage {
  direction: 'in' | 'out'
}

/**
 * What the phone app tells of the time before (Meta, history): the messages of chunks, and the files that come later in place of a
 * `media_placeholder`, under its id. A stop in them is one, a start takes nothing back, and nobody changes their number by them.
 */
export function pastMessages(parsed: ParsedWebhook): PastMessage[] {
  const ofChunks = elements(parsed, 'history', 'history').flatMap((element) =>
    messagesOfChunk(element.item).map(({ thread, item }) => readPast({ ...element, item }, thread)),
  )
  const files = elements(parsed, 'history', 'messages').map((element) => readPast(element, {}))
  return [...ofChunks, ...files].filter((message) => message !== undefined)
}

function readPast(element: Element, thread: JsonObject): PastMessage | undefined {
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
  if (!read || direction === 'out') return read && { ...read, direction }
  const { type, message } = read
  return {
    ...read,
    direction,
    stopText: stopText(type, message),
    button: isButton(type, message),
    stopOnly: true,
  }
}

/** Whether the business wrote a message: by the number, else by whose thread it is, else by its naming an addressee. */
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
