import { AppError, secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type {
  ConfirmSecondFactorRequest,
  ConfirmSecondFactorResponse,
  DisableSecondFactorRequest,
  GetSecondFactorRequest,
  Member,
  Person,
  ResetAnySecondFactorRequest,
  ResetSecondFactorRequest,
  SecondFactor,
  StartSecondFactorRequest,
  StartSecondFactorResponse,
} from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { memberTarget, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { lockMember } from '../db/members.ts'
import { endSignIns } from '../db/password-resets.ts'
import { keepsPassword, lockPerson } from '../db/people.ts'
import {
  deleteSecondFactor,
  insertSecondFactor,
  lockSecondFactor,
  secondFactorState,
  confirmSecondFactor as store,
} from '../db/second-factors.ts'
import { refusal } from '../people/refusal.ts'
import { requireOwnPerson } from '../people/reset-password.ts'
import { rightsOf } from '../people/roles.ts'
import { requireKnown, requireOwnPassword } from '../people/sign-in.ts'
import { memberToProto, personToProto } from '../people/to-proto.ts'
import { createRecoveryCodes, hashRecoveryCode } from '../second-factor/recovery-codes.ts'
import { createTotpSecret, totpUri } from '../second-factor/totp.ts'
import { usesCode, WrongCode, withCode } from '../second-factor/with-code.ts'
import { requireHeld } from '../secrets/rights.ts'

export const startSecondFactor: Method<
  Context,
  StartSecondFactorRequest,
  StartSecondFactorResponse
> = async (ctx, request, call) => {
  const { id, email, passwordHash } = await requireOwnPassword(ctx, request, call.accountId)
  const secret = createTotpSecret()
  const sealed = ctx.secrets.seal(secret, secretPlaces.secondFactor(id, call.accountId))
  await ctx.db.transaction(call.accountId, async (tx) => {
    if (!(await keepsPassword(tx, id, passwordHash))) throw refusal()
    if (!(await insertSecondFactor(tx, id, sealed, new Date(ctx.now()))))
      throw new AppError(
        'conflict',
        'You have a second factor; disable it before you set up another',
      )
    await record(ctx, tx, call, { action: 'startSecondFactor', ...memberTarget(id) })
  })
  return { secret, uri: totpUri(secret, email) }
}

/** Sessions of before were begun without a code: all but the one that asks end. */
export const confirmSecondFactor: Method<
  Context,
  ConfirmSecondFactorRequest,
  ConfirmSecondFactorResponse
> = async (ctx, { sessionId, ...request }, call) => {
  const id = requireId(request.personId, 'member')
  const recoveryCodes = createRecoveryCodes()
  const confirm = async (tx: Tx) => {
    await lockPerson(tx, id)
    const factor = await lockSecondFactor(tx, id)
    if (!factor || factor.confirmedAt)
      throw new AppError(
        'precondition',
        'There is no second factor to confirm; set one up with POST /v1/me/second-factor',
      )
    if (!(await usesCode(ctx, tx, id, factor, request.code))) throw new WrongCode()
    await store(tx, id, recoveryCodes.map(hashRecoveryCode), new Date(ctx.now()))
    await endSignIns(tx, id, sessionId)
    await record(ctx, tx, call, { action: 'confirmSecondFactor', ...memberTarget(id) })
  }
  const person = { id, accountIds: [call.accountId] }
  await withCode(ctx, person, request, () => ctx.db.transaction(call.accountId, confirm))
  return { recoveryCodes }
}

export const getSecondFactor: Method<Context, GetSecondFactorRequest, SecondFactor> = async (
  ctx,
  request,
  call,
) => {
  const id = requireId(request.personId, 'member')
  const state = await ctx.db.transaction(call.accountId, (tx) => secondFactorState(tx, id))
  if (!state) return none
  return {
    confirmedAtMs: state.confirmedAt.getTime(),
    recoveryCodesLeft: state.recoveryCodesLeft,
  }
}

const none: SecondFactor = { confirmedAtMs: undefined, recoveryCodesLeft: 0 }

export const disableSecondFactor: Method<
  Context,
  DisableSecondFactorRequest,
  SecondFactor
> = async (ctx, request, call) => {
  const person = await requireOwnPassword(ctx, request, call.accountId)
  const { id, passwordHash } = person
  await withCode(ctx, person, request, (useCode) =>
    ctx.db.transaction(call.accountId, async (tx) => {
      if (!(await keepsPassword(tx, id, passwordHash))) throw refusal()
      const after = await useCode(tx)
      if (!(await deleteSecondFactor(tx, id)))
        throw new AppError('precondition', 'You have no second factor that could be disabled')
      await record(ctx, tx, call, { action: 'disableSecondFactor', ...memberTarget(id), after })
    }),
  )
  return none
}

/** For another member who has lost theirs, by one who may do as much. */
export const resetSecondFactor: Method<Context, ResetSecondFactorRequest, Member> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const id = requireId(request.id, 'member')
  if (call.actor?.kind === 'person' && call.actor.id === id)
    throw new AppError(
      'conflict',
      'This is your own: disable it with POST /v1/me/second-factor/disable, or ask another owner',
    )
  const row = await ctx.db.transaction(call.accountId, async (tx) => {
    const member = await lockMember(tx, id)
    requireHeld(heldRights, rightsOf(member))
    await requireOwnPerson(tx, id)
    if (await deleteSecondFactor(tx, id))
      await record(ctx, tx, call, { action: 'resetSecondFactor', ...memberTarget(id) })
    return { ...member, hasSecondFactor: false }
  })
  return memberToProto(row)
}

export const resetAnySecondFactor: Method<Context, ResetAnySecondFactorRequest, Person> = async (
  ctx,
  { email },
  call,
) => {
  const { person, accountId } = await requireKnown(ctx, email)
  await ctx.db.transaction(accountId, async (tx) => {
    if (await deleteSecondFactor(tx, person.id))
      await record(ctx, tx, call, { action: 'resetSecondFactor', ...memberTarget(person.id) })
  })
  return personToProto(person)
}
