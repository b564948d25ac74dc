import { AppError } from '@lockstep/contracts'
import type { Origin, SignedIn, SignInRequest } from '@lockstep/rpc/gen/accounts'
import { actingAs, record } from '../audit/record.ts'
import { recordRefusedSignIn } from '../audit/sign-ins.ts'
import type { Context } from '../context.ts'
import { type KnownPerson, keepsPassword, personToSignIn } from '../db/people.ts'
import { endSessionByHash } from '../db/sessions.ts'
import { hashToken } from '../secrets/tokens.ts'
import { lowerCase } from './emails.ts'
import { beginSession } from './sessions.ts'
import { countTry, forgive, subjectsOf } from './throttle.ts'

/** The same for each reason, so that nobody learns whose e-mail is known. */
const refusal = () => new AppError('unauthenticated', 'The e-mail or the password is wrong')

interface Named {
  email: string
  password: string
  origin?: Origin | undefined
}

/**
 * The person whose password it is. Throws `unauthenticated` after the same time for a wrong password
 * and for a name that is nobody's, and `throttled` after too many tries.
 */
export async function requirePerson(
  ctx: Context,
  { email, password, origin }: Named,
): Promise<KnownPerson> {
  const name = lowerCase(email)
  const subjects = subjectsOf('sign_ins', name, origin?.address ?? '')
  await countTry(ctx, subjects, () => recordLock(ctx, name, origin))
  const person = await personToSignIn(ctx.db, name)
  const isRight = await ctx.passwords.isRight(password, person?.passwordHash)
  if (person && !isRight) {
    const deed = { action: 'signInFailed', outcome: 'unauthenticated' } as const
    recordRefusedSignIn(ctx, person, origin, deed)
  }
  if (!isRight || !person) throw refusal()
  await forgive(ctx, subjects)
  return person
}

async function recordLock(ctx: Context, name: string, origin?: Origin): Promise<void> {
  const person = await personToSignIn(ctx.db, name)
  const deed = { action: 'signInLocked', outcome: 'throttled' } as const
  if (person) recordRefusedSignIn(ctx, person, origin, deed)
}

/** Begins a session in the account that is asked for, or the one that the person is in longest. */
export async function signIn(ctx: Context, request: SignInRequest): Promise<SignedIn> {
  const person = await requirePerson(ctx, request)
  const [first] = person.accountIds
  const accountId = request.accountId || first
  if (!accountId || !person.accountIds.includes(accountId)) throw refusal()
  const signedIn = await ctx.db.transaction(accountId, async (tx) => {
    if (!(await keepsPassword(tx, person.id, person.passwordHash))) throw refusal()
    const { id, email, name } = person
    const signedIn = await beginSession(ctx, tx, { id, email, name }, request.origin)
    const target = { targetKind: 'sessions', targetId: signedIn.session!.id }
    await record(ctx, tx, actingAs(person, request.origin), { action: 'signIn', ...target })
    return signedIn
  })
  if (request.previousToken) await endSessionByHash(ctx.db, hashToken(request.previousToken))
  return signedIn
}
