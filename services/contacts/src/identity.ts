import { AppError } from '@lockstep/contracts'
import { matchKey } from '@lockstep/whatsapp'

/** Phone numbers and WhatsApp ids are one namespace, so that an imported number and a message from it are one person. */
export type Namespace = 'number' | 'user_id'

/** One way in which a person is known. `value` is as it was given (digits or user id), `matchKey` is what is compared. */
export interface Identity {
  namespace: Namespace
  kind: 'phone' | 'wa_id' | 'user_id'
  value: string
  matchKey: string
}

/** Business-scoped user id, which stands for a person whose number Meta doesn't show (meta-cloud-api.md §3). */
const userIdPattern = /^[A-Z]{2}\.[A-Za-z0-9]{1,128}$/
const waIdPattern = /^\d{5,20}$/

/** The identity of a phone number in E.164 digits. */
export function phoneIdentity(digits: string): Identity {
  return { namespace: 'number', kind: 'phone', value: digits, matchKey: matchKey(digits) }
}

/**
 * The identities of a person as Meta names them. A user id may stand where a WhatsApp id is expected. Throws `invalid` when
 * there is none.
 */
export function metaIdentities(named: { waId?: string; userId?: string }): Identity[] {
  const found = new Map<string, Identity>()
  const waId = (named.waId ?? '').trim().replace(/^\+/, '')
  const userId = (named.userId ?? '').trim()
  for (const id of new Set([userIdPattern.test(waId) ? waId : '', userId]))
    if (id) found.set(`user_id ${id}`, { namespace: 'user_id', kind: 'user_id', value: id, matchKey: id })
  if (waIdPattern.test(waId)) found.set(waId, { namespace: 'number', kind: 'wa_id', value: waId, matchKey: matchKey(waId) })
  else if (waId && !userIdPattern.test(waId)) throw new AppError('invalid', `"${waId.slice(0, 64)}" is neither a WhatsApp id nor a user id`)
  if (found.size === 0) throw new AppError('invalid', 'A person needs a WhatsApp id or a user id')
  return [...found.values()]
}
