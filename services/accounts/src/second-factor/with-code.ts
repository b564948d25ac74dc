import { AppError, type Failure, secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Origin } from '@lockstep/rpc/gen/accounts'
import { counter } from '@lockstep/telemetry'
import { type InAccounts, recordRefused } from '../audit/sign-ins.ts'
import type { Context } from '../context.ts'
import {
  lockSecondFactor,
  type SecondFactorRow,
  secondFactorState,
  useRecoveryCode,
  useStep,
} from '../db/second-factors.ts'
import { countTry, forgive, subjectsOf } from '../people/throttle.ts'
import { hashRecoveryCode } from './recovery-codes.ts'
import { stepOf } from './totp.ts'

const codes = counter('lockstep_second_factor_codes_total', 'Codes of second factors, by result')

/** Who gives a code, and from where. */
export interface Given {
  code: string
  origin?: Origin | undefined
}

/** What the audit log says of a code; nothing of one that an app has made. */
type Used = { recovery_codes_left: number } | undefined

/** Throws `precondition` where a code is missing, `unauthenticated` for a wrong or used one. */
type UseCode = (tx: Tx) => Promise<Used>

/**
 * Counts a code before it is tried, then does `work`, which uses it up in its own transaction where
 * the person has a second factor. Throws `throttled` after too many tries.
 */
export async function withCode<Result>(
  ctx: Context,
  person: InAccounts,
  { code, origin }: Given,
  work: (useCode: UseCode) => Promise<Result>,
): Promise<Result> {
  const { id } = person
  const subjects = subjectsOf('codes', id, origin?.address ?? '')
  const refused = (action: 'codeRefused' | 'codesLocked', outcome: Failure) =>
    recordRefused(ctx, person, origin, { action, outcome })
  if (code) await countTry(ctx, subjects, async () => refused('codesLocked', 'throttled'))
  try {
    const result = await work(async (tx) => {
      const factor = await lockSecondFactor(tx, id)
      return factor?.confirmedAt ? requireCode(ctx, tx, id, factor, code) : undefined
    })
    if (code) {
      await forgive(ctx, subjects)
      codes(1, { result: 'right' })
    }
    return result
  } catch (error) {
    if (!(error instanceof WrongCode)) throw error
    codes(1, { result: 'wrong' })
    refused('codeRefused', error.failure)
    throw error
  }
}

async function requireCode(
  ctx: Context,
  tx: Tx,
  personId: string,
  factor: SecondFactorRow,
  code: string,
): Promise<Used> {
  if (!code) throw new CodeMissing()
  if (await usesCode(ctx, tx, personId, factor, code)) return undefined
  const at = new Date(ctx.now())
  if (!(await useRecoveryCode(tx, personId, hashRecoveryCode(code), at))) throw new WrongCode()
  const state = await secondFactorState(tx, personId)
  return { recovery_codes_left: state!.recoveryCodesLeft }
}

export class CodeMissing extends AppError {
  constructor() {
    super(
      'precondition',
      'Send the code of your authenticator app, or a recovery code, as "code" too',
    )
  }
}

export class WrongCode extends AppError {
  constructor() {
    super('unauthenticated', 'The code is wrong, or was used before; take the next one')
  }
}

/** Whether an app has made the code just now; it is good once. */
export async function usesCode(
  { now, secrets }: Context,
  tx: Tx,
  personId: string,
  { accountId, sealedSecret }: SecondFactorRow,
  code: string,
): Promise<boolean> {
  const secret = secrets.open(sealedSecret, secretPlaces.secondFactor(personId, accountId))
  const step = stepOf(secret, code, now())
  return step !== null && (await useStep(tx, personId, step))
}
