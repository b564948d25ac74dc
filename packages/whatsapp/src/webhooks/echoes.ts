import { type JsonObject, textOf } from '../json.ts'
import { idsOf, userIdOf, waIdOf } from '../meta-ids.ts'
import { matchKey } from '../number.ts'
import type { Element } from './element.ts'
import { type InboundMessage, readMessage } from './message.ts'

/**
 * A message of the business that another sender than we wrote; `from` and the ids are the person's.
 */
export function readEcho(element: Element): InboundMessage | undefined {
  const { people, ownNumber, item } = element
  const side = isOwn(item.to, ownNumber) ? 'from' : 'to'
  return readMessage(element, people().find(idsOfPerson(item, side)))
}

/** What an element says of the person on one of its two sides. */
export function idsOfPerson(item: JsonObject, side: 'from' | 'to') {
  const [id, userId] = [item[side], item[`${side}_user_id`]]
  return {
    ...idsOf(id, userId),
    parentUserId: userIdOf(item[`${side}_parent_user_id`]),
    isNamed: (textOf(id) ?? userId) != null,
  }
}

/**
 * Whether an id is that of the number itself: Meta's samples of edits and deletions name the two
 * sides the other way round.
 */
export function isOwn(id: unknown, ownNumber: string | undefined): boolean {
  const digits = waIdOf(id)
  return digits !== undefined && ownNumber !== undefined && matchKey(digits) === matchKey(ownNumber)
}
