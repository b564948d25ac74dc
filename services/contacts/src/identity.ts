import { AppError } from '@lockstep/contracts'
import { matchKey, userIdOf, waIdOf } from '@lockstep/whatsapp'
import { parsePhoneNumberFromString } from 'libphonenumber-js'

/** Phone numbers and WhatsApp ids are one namespace, so that an imported number and a message from it are one person. */
export type Namespace = 'number' | 'user_id'

/** One way in which a person is known. `value` is as it was given (digits or user id), `matchKey` is what is compared. */
export interface Identity {
  namespace: Namespace
  kind: 'phone' | 'wa_id' | 'user_id' | 'parent_user_id'
  value: string
  matchKey: string
}

/** The identity of a phone number in E.164 digits. */
export function phoneIdentity(digits: string): Identity {
  return { namespace: 'number', kind: 'phone', value: digits, matchKey: matchKey(digits) }
}

/**
 * The identities of a person as Meta names them. A user id may stand where a WhatsApp id is expected, and what is no user id names
 * nobody. Throws `invalid` when there is none.
 */
export function metaIdentities(named: { waId?: string; userId?: string; parentUserId?: string }): Identity[] {
  const found = new Map<string, Identity>()
  const add = (kind: Identity['kind'], value: string | undefined) => {
    if (value && !found.has(value)) found.set(value, { namespace: 'user_id', kind, value, matchKey: value })
  }
  const { waId: written = '', userId, parentUserId } = named
  const waId = waIdOf(written)
  add('user_id', userIdOf(written))
  add('user_id', userIdOf(userId))
  add('parent_user_id', userIdOf(parentUserId))
  if (waId) found.set(waId, { namespace: 'number', kind: 'wa_id', value: waId, matchKey: matchKey(waId) })
  else if (written.trim() && !userIdOf(written))
    throw new AppError('invalid', `"${written.slice(0, 64)}" is neither a WhatsApp id nor a user id`)
  if (found.size === 0) throw new AppError('invalid', 'A person needs a WhatsApp id or a user id')
  return [...found.values()]
}

/** Invisible characters that contact apps copy along, and the many dashes and spaces that people write. */
const invisible = /[\u200b-\u200f\u202a-\u202e\u2060\ufeff]/g
const allowed = /^\+?[\d\s().\-/\u2010-\u2015]+$/
const scientific = /^\d([.,]\d+)?e\+?\d+$/i

/** E.164 digits of a number as people write it, or in words why it is none. It must hold its country code. */
export function parsePhone(text: string): { digits: string } | { reason: string } {
  const written = text.replace(invisible, '').trim()
  const quoted = `"${written.slice(0, 32)}"`
  if (!written) return { reason: 'The phone number is missing' }
  if (scientific.test(written)) return { reason: `${quoted} was shortened by a spreadsheet: format the column as text and export it again` }
  if (!allowed.test(written)) return { reason: `${quoted} is not a phone number` }
  const international = written.startsWith('+') || written.startsWith('00')
  const digits = written.replace(/\D/g, '')
  // Mexico's 1 is no part of E.164 any more, but many lists still have it.
  const parsed = parsePhoneNumberFromString(`+${written.replace(/^(\+|00)/, '')}`.replace(/^\+\s*52\s*1(?=(\D*\d){10}\D*$)/, '+52'))
  // Possible, not valid: the lists of valid ranges lag behind what is given out.
  if (parsed?.isPossible()) return { digits: parsed.number.slice(1) }
  if (!international || /^0+$/.test(digits)) return { reason: `${quoted} has no country code: write it as +<country code><number>` }
  return { reason: `${quoted} has an unknown country code, or too few or too many digits for its country` }
}
