import { createHmac } from 'node:crypto'
import type { IdentityKey } from '../identities/identity.ts'

/** Tells an identity again to who has the account's key, and nothing to anybody else. */
export const identityHash = (
  key: string,
  { namespace, matchKey }: Pick<IdentityKey, 'namespace' | 'matchKey'>,
): Buffer =>
  createHmac('sha256', Buffer.from(key, 'hex')).update(`${namespace} ${matchKey}`).digest()
