import { createHash } from 'node:crypto'
import { AppError } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext } from '@lockstep/service'

/** Whose API key a request carries. */
export interface ApiKeyAuthenticator {
  /** The account behind an Authorization header. Throws `unauthenticated` with what to send. */
  accountOf(authorization: string | undefined): Promise<string>
}

/** Bound on memory, not on clients: the oldest answer gives way. */
const maxRemembered = 10_000

const bearer = /^Bearer +(lk_[\w-]{43})$/i

interface Needs extends Pick<BaseContext, 'now'> {
  peers: Peers<'accounts'>
  times: { apiKeyMs: number }
}

/**
 * Asks `accounts` once per key and `apiKeyMs`; keys are remembered by their SHA-256 only, and never
 * a wrong one.
 */
export function createApiKeyAuthenticator({ peers, now, times }: Needs): ApiKeyAuthenticator {
  const remembered = new Map<string, { accountId: Promise<string>; until: number }>()
  return {
    accountOf(authorization) {
      const key = bearer.exec(authorization ?? '')?.[1]
      if (!key)
        throw new AppError('unauthenticated', 'Send your API key as "Authorization: Bearer lk_…"')
      const hash = createHash('sha256').update(key).digest('base64')
      const known = remembered.get(hash)
      if (known && known.until > now()) return known.accountId
      const accountId = peers.accounts
        .authenticateKey({ key }, {})
        .then((answer) => answer.accountId)
      remembered.delete(hash)
      remembered.set(hash, { accountId, until: now() + times.apiKeyMs })
      accountId.catch(() => remembered.delete(hash))
      if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value!)
      return accountId
    },
  }
}
