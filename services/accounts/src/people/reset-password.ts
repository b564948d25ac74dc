import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { PasswordReset, Person, ResetPasswordRequest } from '@lockstep/rpc/gen/accounts'
import { actingAs, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import {
  endSignIns,
  insertPasswordReset,
  personToReset,
  takePasswordReset,
} from '../db/password-resets.ts'
import { accountsOf, findPerson, type PersonRow, updatePassword } from '../db/people.ts'
import { orderMail } from '../mail/order-mail.ts'
import { createToken, hashToken } from '../secrets/tokens.ts'
import { requirePassword } from './passwords.ts'
import { forgiveName } from './throttle.ts'

/** A link for somebody, and the mail that brings it. */
interface ResetFor extends Pick<PersonRow, 'id' | 'email'> {
  forSeveralAccounts: boolean
  mailId?: string
}

/** Makes a link of a member, and mails it; the answer is the only time that its token is seen. */
export async function createReset(
  ctx: Context,
  tx: Tx,
  { id: personId, email, forSeveralAccounts, mailId }: ResetFor,
): Promise<PasswordReset> {
  const token = createToken('lr')
  const hash = hashToken(token)
  const createdAt = new Date(ctx.now())
  const expiresAt = new Date(ctx.now() + ctx.times.passwordResetMs)
  const row = { personId, forSeveralAccounts, createdAt, expiresAt }
  await insertPasswordReset(tx, row, hash)
  await orderMail(ctx, tx, { id: mailId, resetHash: hash, recipient: email, token, expiresAt })
  return { token, expiresAtMs: expiresAt.getTime() }
}

/**
 * Throws `precondition` for somebody who belongs to other accounts too: an account must not open the
 * others by their password.
 */
export async function requireOwnPerson(tx: Tx, personId: string): Promise<void> {
  if ((await accountsOf(tx, personId)).length === 1) return
  throw new AppError(
    'precondition',
    'This person belongs to other accounts too; only who runs this system can make the link (npm run people -- reset)',
  )
}

const notGood = () =>
  new AppError('not_found', 'This link was used before, or is over; ask for a new one')

/** Gives the person of a link another password; whoever was signed in as them is signed out. */
export async function resetPassword(
  ctx: Context,
  { token, password, origin }: ResetPasswordRequest,
): Promise<Person> {
  const hash = hashToken(token)
  const at = new Date(ctx.now())
  const found = await personToReset(ctx.db, hash, at)
  if (!found) throw notGood()
  requirePassword(password, found.email)
  const passwordHash = await ctx.passwords.hash(password)
  const person = await ctx.db.transaction(found.accountId, async (tx) => {
    const reset = await takePasswordReset(tx, hash, at)
    if (!reset) throw notGood()
    if (!reset.forSeveralAccounts) await requireOwnPerson(tx, reset.personId)
    await updatePassword(tx, reset.personId, passwordHash)
    await endSignIns(tx, reset.personId)
    const target = { targetKind: 'members', targetId: reset.personId }
    await record(ctx, tx, actingAs({ id: reset.personId }, origin), {
      action: 'resetPassword',
      ...target,
    })
    return (await findPerson(tx, reset.personId))!
  })
  await forgiveName(ctx, person.email)
  return person
}
