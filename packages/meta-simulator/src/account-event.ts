import { z } from 'zod'
import type { Context } from './context.ts'
import { ControlError } from './control-error.ts'
import type { GraphFault } from './graph-errors.ts'
import { type AccountState, noChange, type PhoneNumber, type State, type World } from './state.ts'

/** The body of `POST /_sim/account-event`: what Meta decided about a WABA, or one number of it. It stands behind sends from then on. */
export const accountEventInput = z.strictObject({
  wabaId: z.string(),
  /** The webhook names this number, and the decision is about it only. */
  phoneNumberId: z.string().optional(),
  event: z.enum([
    'ACCOUNT_RESTRICTION',
    'DISABLED_UPDATE',
    'ACCOUNT_DELETED',
    'ACCOUNT_OFFBOARDED',
    'ACCOUNT_RECONNECTED',
    'PARTNER_REMOVED',
    'REVIEW',
  ]),
  /** Of ACCOUNT_RESTRICTION; without an end it has none. */
  restrictions: z
    .array(z.strictObject({ type: z.string(), endsAtMs: z.number().nullable().default(null) }))
    .default([]),
  remediation: z.string().optional(),
  violation: z.string().optional(),
  /** Types of restriction that are over. */
  lifts: z.array(z.string()).default([]),
  /** Of DISABLED_UPDATE. */
  banState: z.enum(['DISABLE', 'SCHEDULE_FOR_DISABLE', 'REINSTATE']).default('DISABLE'),
  /** Of REVIEW. */
  decision: z.enum(['APPROVED', 'REJECTED', 'PENDING', 'DEFERRED']).default('REJECTED'),
})
type Input = z.output<typeof accountEventInput>

/** Changes the account's state and tells the apps; shapes of the values: meta-cloud-api.md §2. */
export async function accountEvent(ctx: Context, input: Input) {
  const { wabaId, phoneNumberId } = input
  const waba = ctx.world.wabas.get(wabaId)
  const number = phoneNumberId === undefined ? undefined : ctx.world.numbers.get(phoneNumberId)
  if (!waba || (phoneNumberId !== undefined && number?.wabaId !== wabaId))
    throw new ControlError(
      404,
      `There is no WABA ${wabaId}${phoneNumberId === undefined ? '' : ` with a number ${phoneNumberId}`}.`,
    )
  const account = accountAfter((number ?? waba).account, input)
  const patch: State = { ...noChange, wabas: [], numbers: [] }
  if (number) {
    const { digits: _, ...rest } = number
    await ctx.changeState({ ...patch, numbers: [{ ...rest, account }] })
  } else await ctx.changeState({ ...patch, wabas: [{ ...waba, account }] })
  const field = input.event === 'REVIEW' ? 'account_review_update' : 'account_update'
  const value = { ...(number && { phone_number: number.digits }), ...webhookValue(input) }
  const line = {
    atMs: Date.now(),
    kind: 'event',
    id: `e${ctx.log.seq + 1}`,
    wabaId,
    field,
    value,
  } as const
  await ctx.log.append(line)
  ctx.emit(line)
  return { account }
}

const free: AccountState = { restrictions: [], locked: false, removed: false }

function accountAfter(before: AccountState, input: Input): AccountState {
  switch (input.event) {
    case 'ACCOUNT_RESTRICTION': {
      const replaced = [...input.lifts, ...input.restrictions.map(({ type }) => type)]
      return {
        ...before,
        restrictions: [
          ...before.restrictions.filter(({ type }) => !replaced.includes(type)),
          ...input.restrictions,
        ],
      }
    }
    case 'ACCOUNT_DELETED':
    case 'ACCOUNT_OFFBOARDED':
      return { ...before, locked: true }
    case 'DISABLED_UPDATE':
      return {
        DISABLE: { ...before, locked: true },
        SCHEDULE_FOR_DISABLE: before,
        REINSTATE: free,
      }[input.banState]
    case 'REVIEW':
      return { ...before, locked: input.decision === 'REJECTED' }
    case 'PARTNER_REMOVED':
      return { ...before, removed: true }
    case 'ACCOUNT_RECONNECTED':
      return free
  }
}

function webhookValue({
  event,
  restrictions,
  remediation,
  violation,
  banState,
  decision,
  wabaId,
}: Input): Record<string, unknown> {
  switch (event) {
    case 'ACCOUNT_RESTRICTION':
      return {
        event,
        ...(violation && { violation_info: { violation_type: violation } }),
        ...(restrictions.length > 0 && {
          restriction_info: restrictions.map(({ type, endsAtMs }) => ({
            restriction_type: type,
            ...(endsAtMs !== null && { expiration: Math.floor(endsAtMs / 1_000) }),
            ...(remediation && { remediation }),
          })),
        }),
      }
    case 'DISABLED_UPDATE':
      return {
        event,
        ban_info: {
          waba_ban_state: banState,
          waba_ban_date: new Date().toISOString().slice(0, 10),
        },
      }
    case 'REVIEW':
      return { decision }
    case 'PARTNER_REMOVED':
      return { event, waba_info: { waba_id: wabaId, owner_business_id: '1' } }
    default:
      return { event }
  }
}

/** Why a number's account keeps it from sending, if it does: codes of meta-cloud-api.md §4; which of them a restriction answers is [U]. */
export function accountFault(
  world: World,
  number: PhoneNumber,
  type: string | undefined,
  nowMs: number,
): GraphFault | undefined {
  const accounts = [number.account, world.wabas.get(number.wabaId)?.account ?? free]
  if (accounts.some(({ removed }) => removed)) return { code: 10 }
  if (accounts.some(({ locked }) => locked)) return { code: 131031 }
  const forbidden =
    type === 'template'
      ? 'RESTRICTED_BIZ_INITIATED_MESSAGING'
      : 'RESTRICTED_CUSTOMER_INITIATED_MESSAGING'
  const holds = accounts
    .flatMap(({ restrictions }) => restrictions)
    .filter(({ endsAtMs }) => endsAtMs === null || endsAtMs > nowMs)
  return holds.some((restriction) => restriction.type === forbidden) ? { code: 368 } : undefined
}
