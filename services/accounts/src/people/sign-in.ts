import { AppError } from '@lockstep/contracts'
import type { Origin, SignedIn, SignInRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { actingAs, record } from '../audit/record.ts'
import { recordRefused } from '../audit/sign-ins.ts'
import type { Context } from '../context.ts'
import { findPerson, type KnownPerson, keepsPassword, personToSignIn } from '../db/people.ts'
import { endSessionByHash } from '../db/sessions.ts'
import { withCode } from '../second-factor/with-code.ts'
import { hashToken } from '../secrets/tokens.ts'
import { lowerCase } from './emails.ts'
import { beginSession } from './sessions.ts'
import { countTry, forgive, subjectsOf } from './throttle.ts'

/** The same for each reason, so that nobody learns whose e-mail is known. */
export const refusal = () => new AppError('unauthenticated', 'The e-mail or the password is wrong')

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
    recordRefused(ctx, person, origin, deed)
  }
  if (!isRight || !person) throw refusal()
  await forgive(ctx, subjects)
  return person
}

/** Somebody who is signed in, and says their password once more. */
export async function requireOwnPassword(
  ctx: Context,
  { personId, password, origin }: Omit<Named, 'email'> & { personId: string },
  accountId: string,
): Promise<KnownPerson> {
  const id = requireId(personId, 'member')
  const person = await ctx.db.transaction(accountId, (tx) => findPerson(tx, id))
  if (!person) throw new AppError('not_found', `There is no member ${id}`)
  return requirePerson(ctx, { email: person.email, password, origin })
}

/** A person by their e-mail, and the account that they are in longest; throws `not_found`. */
export async function requireKnown(
  ctx: Context,
  email: string,
): Promise<{ person: KnownPerson; accountId: string }> {
  const person = await personToSignIn(ctx.db, lowerCase(email))
  const [accountId] = person?.accountIds ?? []
  if (person && accountId) return { person, accountId }
  throw new AppError('not_found', `Nobody with the e-mail "${email.slice(0, 64)}" has an account`)
}

async function recordLock(ctx: Context, name: string, origin?: Origin): Promise<void> {
  const person = await personToSignIn(ctx.db, name)
  const deed = { action: 'signInLocked', outcome: 'throttled' } as const
  if (person) recordRefused(ctx, person, origin, deed)
}

/** Begins a session in the account that is asked for, or the one that the person is in longest. */
export async function signIn(ctx: Context, request: SignInRequest): Promise<SignedIn> {
  const person = await requirePerson(ctx, request)
  const [first] = person.accountIds
  const accountId = request.accountId || first
  if (!accountId || !person.accountIds.includes(accountId)) throw refusal()
  const signedIn = await withCode(ctx, person, request, (useCode) =>
    ctx.db.transaction(accountId, async (tx) => {
      if (!(await keepsPassword(tx, person.id, person.passwordHash))) throw refusal()
      const after = await useCode(tx)
      const { id, email, name } = person
      const signedIn = await beginSession(ctx, tx, { id, email, name }, request.origin)
      const target = { targetKind: 'sessions', targetId: signedIn.session!.id }
      await record(ctx, tx, actingAs(person, request.origin), {
        action: 'signIn',
        ...target,
        after,
      })
      return signedIn
    }),
  )
  if (request.previousToken) await endSessionByHash(ctx.db, hashToken(request.previousToken))
  return signedIn
}
