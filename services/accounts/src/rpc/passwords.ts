import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  ChangePasswordRequest,
  CreateAnyPasswordResetRequest,
  CreatePasswordResetRequest,
  PasswordReset,
  Person,
  RequestPasswordResetRequest,
  RequestPasswordResetResponse,
  ResetPasswordRequest,
} from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { memberTarget, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { lockMember } from '../db/members.ts'
import { endSignIns } from '../db/password-resets.ts'
import { keepsPassword, updatePassword } from '../db/people.ts'
import { requirePassword } from '../people/passwords.ts'
import { requestReset } from '../people/request-reset.ts'
import { createReset, requireOwnPerson, resetPassword as reset } from '../people/reset-password.ts'
import { rightsOf } from '../people/roles.ts'
import { requireKnown, requireOwnPassword } from '../people/sign-in.ts'
import { requireHeld } from '../secrets/rights.ts'

/** A link for a member of this account alone, by one who may do as much. */
export const createPasswordReset: Method<Context, CreatePasswordResetRequest, PasswordReset> = (
  ctx,
  { heldRights, ...request },
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const member = await lockMember(tx, requireId(request.id, 'member'))
    requireHeld(heldRights, rightsOf(member))
    await requireOwnPerson(tx, member.id)
    await record(ctx, tx, call, { action: 'createPasswordReset', ...memberTarget(member.id) })
    return createReset(ctx, tx, { ...member, forSeveralAccounts: false })
  })

export const createAnyPasswordReset: Method<
  Context,
  CreateAnyPasswordResetRequest,
  PasswordReset
> = async (ctx, { email }, call) => {
  const { person, accountId } = await requireKnown(ctx, email)
  return ctx.db.transaction(accountId, async (tx) => {
    await record(ctx, tx, call, { action: 'createPasswordReset', ...memberTarget(person.id) })
    return createReset(ctx, tx, { ...person, forSeveralAccounts: true })
  })
}

export const requestPasswordReset: Method<
  Context,
  RequestPasswordResetRequest,
  RequestPasswordResetResponse
> = requestReset

export const resetPassword: Method<Context, ResetPasswordRequest, Person> = reset

/** Another password for who knows theirs; only the session that asks goes on. */
export const changePassword: Method<Context, ChangePasswordRequest, Person> = async (
  ctx,
  { personId, sessionId, password, newPassword, origin },
  call,
) => {
  const own = await requireOwnPassword(ctx, { personId, password, origin }, call.accountId)
  const { passwordHash, accountIds: _, ...person } = own
  requirePassword(newPassword, person.email)
  const newHash = await ctx.passwords.hash(newPassword)
  return ctx.db.transaction(call.accountId, async (tx) => {
    if (!(await keepsPassword(tx, person.id, passwordHash)))
      throw new AppError('conflict', 'The password has just been changed; sign in with the new one')
    await updatePassword(tx, person.id, newHash)
    await endSignIns(tx, person.id, sessionId)
    await record(ctx, tx, call, { action: 'changePassword', ...memberTarget(person.id) })
    return person
  })
}
