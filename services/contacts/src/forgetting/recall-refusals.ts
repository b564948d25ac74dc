import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import { recallConsents } from '../db/forgotten.ts'
import type { AccountIdentity } from '../identities/identity.ts'
import { accountKeys } from './account-keys.ts'
import { identityHash } from './identity-hash.ts'

/**
 * Gives contacts with new identities what somebody had refused under these before they were
 * forgotten. Answers those contacts, whose flags must be derived.
 */
export async function recallRefusals(
  ctx: Pick<Context, 'secrets'>,
  tx: Tx,
  claims: readonly { identity: AccountIdentity; contactId: string }[],
): Promise<string[]> {
  if (claims.length === 0) return []
  const keys = await accountKeys(ctx, tx)
  const hashed = claims.flatMap(({ identity, contactId }) => {
    const key = keys.get(identity.accountId)
    return key ? [{ ...identity, contactId, identityHash: identityHash(key, identity) }] : []
  })
  return hashed.length === 0 ? [] : recallConsents(tx, hashed)
}
