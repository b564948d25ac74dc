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
import { accountsOf, findPerson, updatePassword } from '../db/people.ts'
import { createToken, hashToken } from '../secrets/tokens.ts'
import { requirePassword } from './passwords.ts'
import { forgiveName } from './throttle.ts'

/** Makes a link of a member; the answer is the only time that its token is seen. */
export async function createReset(
  { now, times }: Context,
  tx: Tx,
  personId: string,
  isByOperator: boolean,
): Promise<PasswordReset> {
  const token = createToken('lr')
  const createdAt = new Date(now())
  const expiresAt = new Date(now() + times.passwordResetMs)
  const row = { personId, isByOperator, createdAt, expiresAt }
  await insertPasswordReset(tx, row, hashToken(token))
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
    if (!reset.isByOperator) await requireOwnPerson(tx, reset.personId)
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
