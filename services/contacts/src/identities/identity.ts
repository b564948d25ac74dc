import { AppError } from '@lockstep/contracts'
import { matchKey, userIdOf, waIdOf } from '@lockstep/whatsapp'

/**
 * Phone numbers and WhatsApp ids are one namespace: an imported number and a message from it are
 * one person.
 */
export const namespaces = ['number', 'user_id'] as const
type Namespace = (typeof namespaces)[number]

export const identityKinds = ['phone', 'wa_id', 'user_id', 'parent_user_id'] as const

/**
 * One way in which a person is known: `value` is digits or a user id, `matchKey` is what is
 * compared.
 */
export interface Identity {
  namespace: Namespace
  kind: (typeof identityKinds)[number]
  value: string
  matchKey: string
}

export type AccountIdentity = Identity & { accountId: string }

/** What makes an identity the same: one number in two accounts is two people. */
export type IdentityKey = Pick<AccountIdentity, 'accountId' | 'namespace' | 'matchKey'>
export const identityKey = ({ accountId, namespace, matchKey }: IdentityKey): string =>
  `${accountId} ${namespace} ${matchKey}`

/** The identity of a phone number in E.164 digits. */
export function phoneIdentity(digits: string): Identity {
  return { namespace: 'number', kind: 'phone', value: digits, matchKey: matchKey(digits) }
}

/**
 * A person's identities, where a user id may stand in place of a WhatsApp id. Throws `invalid`
 * without any.
 */
export function metaIdentities(named: {
  waId?: string
  userId?: string
  parentUserId?: string
}): Identity[] {
  const found = new Map<string, Identity>()
  const add = (kind: Identity['kind'], value: string | undefined) => {
    if (value && !found.has(value))
      found.set(value, { namespace: 'user_id', kind, value, matchKey: value })
  }
  const { waId: written = '', userId, parentUserId } = named
  const waId = waIdOf(written)
  add('user_id', userIdOf(written))
  add('user_id', userIdOf(userId))
  add('parent_user_id', userIdOf(parentUserId))
  if (waId)
    found.set(waId, { namespace: 'number', kind: 'wa_id', value: waId, matchKey: matchKey(waId) })
  else if (written.trim() && !userIdOf(written))
    throw new AppError(
      'invalid',
      `"${written.slice(0, 64)}" is neither a WhatsApp id nor a user id`,
    )
  if (found.size === 0) throw new AppError('invalid', 'A person needs a WhatsApp id or a user id')
  return [...found.values()]
}
