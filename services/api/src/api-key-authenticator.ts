import { createHash } from 'node:crypto'
import { AppError } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext } from '@lockstep/service'

/** Who asks: a program with an API key. */
export interface Caller {
  accountId: string
  keyId: string
  /** Names of packages/contracts/src/rights.ts; `*` is every right. */
  rights: readonly string[]
}

/** Whose API key a request carries. */
export interface ApiKeyAuthenticator {
  /** Who sent this Authorization header. Throws `unauthenticated` with what to send. */
  callerOf(authorization: string | undefined): Promise<Caller>
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
  const remembered = new Map<string, { caller: Promise<Caller>; until: number }>()
  return {
    callerOf(authorization) {
      const key = bearer.exec(authorization ?? '')?.[1]
      if (!key)
        throw new AppError('unauthenticated', 'Send your API key as "Authorization: Bearer lk_…"')
      const hash = createHash('sha256').update(key).digest('base64')
      const known = remembered.get(hash)
      if (known && known.until > now()) return known.caller
      const caller = peers.accounts.authenticateKey({ key }, {})
      remembered.delete(hash)
      remembered.set(hash, { caller, until: now() + times.apiKeyMs })
      caller.catch(() => remembered.delete(hash))
      if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value!)
      return caller
    },
  }
}
