import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  GetHearingRequest,
  GetHearingResponse,
  UnheardPart,
} from '@lockstep/rpc/gen/webhook_gateway'
import type { ConnectedNumber } from '../apps/number-cache.ts'
import type { Context } from '../context.ts'
import { hearingOf, type UnheardRow } from '../db/hearing.ts'
import { appsOfNumber, older, oldestPartToClaim } from '../hearing/parts-to-claim.ts'

/**
 * How far what came for the account's numbers has been handled, for a connection that wants to
 * send.
 */
export const getHearing: Method<Context, GetHearingRequest, GetHearingResponse> = async (
  ctx,
  request,
  { accountId, signal },
) => {
  const { phoneNumberId, connectedAtMs } = request
  if (!phoneNumberId || connectedAtMs <= 0)
    throw new AppError(
      'invalid',
      '"phone_number_id" and "connected_at_ms" of the connection are needed',
    )
  const numbers = await ctx.numbers.ofAccount(accountId)
  // Asked before the open parts: a part that is claimed meanwhile is then seen twice, and not
  // never.
  const toClaim = await oldestPartToClaim(ctx, numbers)
  // The process that was to claim it may have been killed.
  if (toClaim) {
    const keys = { phoneNumberIds: [toClaim.key], wabaIds: [] }
    ctx.claims.add({ id: toClaim.appId, accountId }, keys)
  }
  const appIds = await appsOfNumber(ctx, accountId, request, signal)
  const sender = { accountId, phoneNumberId, appIds, connectedAt: new Date(connectedAtMs) }
  const { oldest, dead, deadParts, hasEarlier } = await ctx.db.system((tx) => hearingOf(tx, sender))
  return {
    oldest: toProto(numbers, older<UnheardRow>(oldest, toClaim)),
    dead: toProto(numbers, dead),
    deadParts,
    hasEarlier,
  }
}

function toProto(numbers: ConnectedNumber[], part: UnheardRow | null): UnheardPart | undefined {
  if (!part) return undefined
  const { lane, key, receivedAtMs } = part
  if (lane !== 'webhooks.message')
    return { phoneNumberId: '', number: `campaign ${key}`, receivedAtMs }
  const known = numbers.find(({ phoneNumberId }) => phoneNumberId === key)
  return { phoneNumberId: key, number: known?.displayNumber ?? key, receivedAtMs }
}
