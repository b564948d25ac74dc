import { idOf, objectOf, textOf, timestampMsOf } from '../json.ts'
import { idsOf, type MetaIds, userIdOf } from '../meta-ids.ts'
import type { Element } from './element.ts'

/** A person's choice about marketing, made inside WhatsApp (Meta, user_preferences). */
export interface UserPreference {
  phoneNumberId: string
  waId: string | undefined
  userId: string | undefined
  parentUserId: string | undefined
  /** `stop`, `resume`, or `signup` from a sign-up link. */
  preference: string
  /** Of a sign-up. */
  signupId: string | undefined
  /** `marketing_messages`. */
  category: string | undefined
  timestampMs: number | null
}

export function readPreference({
  item,
  phoneNumberId,
  people,
}: Element): UserPreference | undefined {
  const preference = textOf(item.value)
  const { wa_id, user_id, parent_user_id } = item
  const own = {
    ...idsOf(wa_id, user_id),
    parentUserId: userIdOf(parent_user_id),
    isNamed: (wa_id ?? user_id) != null,
  }
  const { waId, userId, parentUserId } = people().find(own)
  if (!preference || !(waId ?? userId)) return undefined
  return {
    ...{ phoneNumberId, waId, userId, parentUserId, preference },
    signupId: idOf(item.signup_id),
    category: textOf(item.category),
    timestampMs: timestampMsOf(item.timestamp),
  }
}

/** A person's user id changed, because their number did (Meta, business-scoped-user-ids). */
export interface UserIdUpdate {
  phoneNumberId: string
  waId: string | undefined
  /** Undefined when it is none; the number leads to the person then. */
  previous: string | undefined
  current: string
  /** That of now. */
  parentUserId: string | undefined
  timestampMs: number | null
}

export function readUserIdUpdate({ item, phoneNumberId }: Element): UserIdUpdate | undefined {
  const ids = objectOf(item.user_id)
  const [previous, current] = [userIdOf(ids.previous), userIdOf(ids.current)]
  const { waId } = idsOf(item.wa_id, current)
  if (!current || !(waId ?? previous)) return undefined
  const parentUserId = userIdOf(objectOf(item.parent_user_id).current)
  const timestampMs = timestampMsOf(item.timestamp)
  return { phoneNumberId, waId, parentUserId, previous, current, timestampMs }
}

/**
 * A change in the address book of the WhatsApp app on the business's phone (Meta,
 * smb_app_state_sync).
 */
export interface AppContact extends MetaIds {
  phoneNumberId: string
  /**
   * As the business calls them; undefined for one that was taken out of the book, or has no name.
   */
  name: string | undefined
  timestampMs: number | null
}

export function readAppContact({ item, phoneNumberId }: Element): AppContact | undefined {
  const { phone_number, user_id, full_name, first_name } = objectOf(item.contact)
  const ids = idsOf(phone_number, user_id)
  if (textOf(item.type) !== 'contact' || !(ids.waId ?? ids.userId)) return undefined
  const isGone = textOf(item.action) === 'remove'
  const name = isGone ? undefined : textOf(full_name) || textOf(first_name) || undefined
  const timestampMs = timestampMsOf(objectOf(item.metadata).timestamp)
  return { phoneNumberId, ...ids, name, timestampMs }
}
