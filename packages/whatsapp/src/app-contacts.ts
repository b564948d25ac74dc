import { objectOf, textOf, timestampMsOf } from './json.ts'
import { idsOf, type MetaIds } from './meta-ids.ts'
import type { ParsedWebhook } from './webhook.ts'
import { elements } from './webhook-elements.ts'

/** A person in the address book of the WhatsApp app on the business's phone. */
export interface AppContact extends MetaIds {
  phoneNumberId: string
  /** As the business calls them; undefined for one that was taken out of the book, or has no name. */
  name: string | undefined
  timestampMs: number | null
}

/** Changes of the phone's address book (Meta, smb_app_state_sync), in their order. */
export function appContacts(parsed: ParsedWebhook): AppContact[] {
  return elements(parsed, 'smb_app_state_sync', 'state_sync').flatMap(({ item, phoneNumberId }) => {
    const { phone_number, user_id, full_name, first_name } = objectOf(item.contact)
    const ids = idsOf(phone_number, user_id)
    if (textOf(item.type) !== 'contact' || !(ids.waId ?? ids.userId)) return []
    const name =
      textOf(item.action) === 'remove'
        ? undefined
        : textOf(full_name) || textOf(first_name) || undefined
    return {
      phoneNumberId,
      ...ids,
      name,
      timestampMs: timestampMsOf(objectOf(item.metadata).timestamp),
    }
  })
}
