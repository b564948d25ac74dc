import { createHash } from 'node:crypto'
import { AppError } from '@lockstep/contracts'
import type { Peers } from '@lockstep/rpc'
import type { BaseContext } from '@lockstep/service'

/** A program with an API key. */
interface Program {
  kind: 'program'
  accountId: string
  keyId: string
  /** Names of packages/contracts/src/rights.ts; `*` is every right. */
  rights: readonly string[]
}

/** A person who is signed in. */
export interface Person {
  kind: 'person'
  accountId: string
  personId: string
  sessionId: string
  /** As their role has it now. */
  rights: readonly string[]
}

/** Who asks. */
export type Caller = Program | Person

/** How a request says who asks. */
interface Credentials {
  authorization: string | undefined
  /** The session's token, by its cookie. */
  session: string | undefined
}

export interface Authenticator {
  /** An Authorization header counts before a cookie. Throws `unauthenticated` with what to do. */
  callerOf(credentials: Credentials): Promise<Caller>
  /** A session that has ended here is refused here at once. */
  forget(session: string): void
}

/** Bound on memory, not on clients: the oldest answer gives way. */
const maxRemembered = 10_000

const bearer = /^Bearer +(lk_[\w-]{43})$/i
const sessionToken = /^ls_[\w-]{43}$/

interface Needs extends Pick<BaseContext, 'now'> {
  peers: Peers<'accounts'>
  times: { callerMs: number }
}

/**
 * Asks `accounts` once per key or session and `callerMs`; they are remembered by their SHA-256 only,
 * and never a wrong one.
 */
export function createAuthenticator({ peers, now, times }: Needs): Authenticator {
  const remembered = new Map<string, { caller: Promise<Caller>; until: number }>()

  function remember(text: string, ask: () => Promise<Caller>): Promise<Caller> {
    const hash = hashOf(text)
    const known = remembered.get(hash)
    if (known && known.until > now()) return known.caller
    const caller = ask()
    remembered.delete(hash)
    remembered.set(hash, { caller, until: now() + times.callerMs })
    caller.catch(() => remembered.delete(hash))
    if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value!)
    return caller
  }

  return {
    async callerOf({ authorization, session }) {
      const key = bearer.exec(authorization ?? '')?.[1]
      if (key) return remember(key, () => askKey(peers, key))
      if (authorization === undefined && session && sessionToken.test(session))
        return remember(session, () => askSession(peers, session))
      throw new AppError(
        'unauthenticated',
        'Send your API key as "Authorization: Bearer lk_…", or sign in with POST /v1/session',
      )
    },
    forget: (session) => void remembered.delete(hashOf(session)),
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64')

const askKey = async (peers: Peers<'accounts'>, key: string): Promise<Caller> => ({
  kind: 'program',
  ...(await peers.accounts.authenticateKey({ key }, {})),
})

const askSession = async (peers: Peers<'accounts'>, token: string): Promise<Caller> => ({
  kind: 'person',
  ...(await peers.accounts.authenticateSession({ token }, {})),
})
