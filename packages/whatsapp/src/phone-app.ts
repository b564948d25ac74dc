import { type InboundMessage, readMessage } from './inbound-messages.ts'
import { type JsonObject, textOf } from './json.ts'
import { idsOf, userIdOf, waIdOf } from './meta-ids.ts'
import { matchKey } from './number.ts'
import type { ParsedWebhook } from './webhook.ts'
import { elements } from './webhook-elements.ts'

/** Messages that the business wrote in the WhatsApp app on its phone (Meta, smb_message_echoes); `from` and the ids are the person's. */
export function appEchoes(parsed: ParsedWebhook): InboundMessage[] {
  return echoesIn(parsed, 'smb_message_echoes')
}

/** Messages of the business that another sender than we wrote, in a field's list of echoes. */
export function echoesIn(parsed: ParsedWebhook, field: string): InboundMessage[] {
  return elements(parsed, field, 'message_echoes').flatMap((element) => {
    const { people, ownNumber, item } = element
    return (
      readMessage(
        element,
        people().find(idsOfPerson(item, isOwn(item.to, ownNumber) ? 'from' : 'to')),
      ) ?? []
    )
  })
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

/** Whether an id is that of the number itself: Meta's samples of edits and deletions name the two sides the other way round. */
export function isOwn(id: unknown, ownNumber: string | undefined): boolean {
  const digits = waIdOf(id)
  return digits !== undefined && ownNumber !== undefined && matchKey(digits) === matchKey(ownNumber)
}
