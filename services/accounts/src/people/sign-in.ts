import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Origin, SignedIn, SignInRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { recordRefused } from '../audit/sign-ins.ts'
import type { Context } from '../context.ts'
import { findPerson, type KnownPerson, keepsPassword, personToSignIn } from '../db/people.ts'
import { lowerCase } from './emails.ts'
import { refusal } from './refusal.ts'
import { startSession } from './start-session.ts'
import { countTry, forgive, subjectsOf } from './throttle.ts'

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
  const isStill = (tx: Tx) => keepsPassword(tx, person.id, person.passwordHash)
  return startSession(ctx, { person, accountId, isStill }, request)
}
