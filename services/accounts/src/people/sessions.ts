import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { SignedIn } from '@lockstep/rpc/gen/accounts'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import type { PersonRow } from '../db/people.ts'
import { insertSession, keepNewestSessions } from '../db/sessions.ts'
import { createToken, hashToken } from '../secrets/tokens.ts'
import { sessionToProto } from './to-proto.ts'

/** Where a request of a person came from. */
interface From {
  address: string
  userAgent: string
}

/** More are nobody's browsers. */
const mostSessions = 20

/** Begins a session of a member with a token of its own, whatever token the browser had. */
export async function beginSession(
  { now, times }: Context,
  tx: Tx,
  person: PersonRow,
  origin: From | undefined,
): Promise<SignedIn> {
  if (!tx.accountId) throw new AppError('internal', 'A session is begun in one account')
  const at = now()
  const token = createToken('ls')
  const row = {
    id: uuid(),
    createdAt: new Date(at),
    lastUsedAt: new Date(at),
    endsAt: new Date(at + times.sessionMs),
    address: (origin?.address ?? '').slice(0, 64),
    userAgent: (origin?.userAgent ?? '').slice(0, 256),
  }
  await insertSession(tx, { ...row, personId: person.id, hash: hashToken(token) })
  await keepNewestSessions(tx, person.id, mostSessions)
  return { token, session: sessionToProto(row), accountId: tx.accountId, person }
}

/** Sessions that are not over were used since then. */
export const inUse = ({ now, times }: Pick<Context, 'now' | 'times'>) => ({
  at: new Date(now()),
  unusedSince: new Date(now() - times.sessionUnusedMs),
})
