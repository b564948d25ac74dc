import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  GetUnhandledRepliesRequest,
  GetUnhandledRepliesResponse,
  UnhandledPart,
} from '@lockstep/rpc/gen/webhook_gateway'
import type { ConnectedNumber } from '../apps/number-cache.ts'
import type { Context } from '../context.ts'
import { type UnhandledRow, unhandledRepliesOf } from '../db/unhandled-replies.ts'
import { appsOfNumber, older, oldestPartToAdopt } from '../unhandled/parts-to-adopt.ts'

/**
 * How far what came for the account's numbers has been handled, for a connection that wants to
 * send.
 */
export const getUnhandledReplies: Method<
  Context,
  GetUnhandledRepliesRequest,
  GetUnhandledRepliesResponse
> = async (ctx, request, { accountId, signal }) => {
  const { phoneNumberId, connectedAtMs } = request
  if (!phoneNumberId || connectedAtMs <= 0)
    throw new AppError(
      'invalid',
      '"phone_number_id" and "connected_at_ms" of the connection are needed',
    )
  const numbers = await ctx.numbers.ofAccount(accountId)
  // Asked before the open parts: a part that is adopted meanwhile is then seen twice, and not
  // never.
  const toAdopt = await oldestPartToAdopt(ctx, numbers)
  // The process that was to adopt it may have been killed.
  if (toAdopt) {
    const keys = { phoneNumberIds: [toAdopt.key], wabaIds: [] }
    ctx.adoptions.add({ id: toAdopt.appId, accountId }, keys)
  }
  const appIds = await appsOfNumber(ctx, accountId, request, signal)
  const sender = { accountId, phoneNumberId, appIds, connectedAt: new Date(connectedAtMs) }
  const { oldest, dead, deadParts, hasEarlier } = await ctx.db.system((tx) =>
    unhandledRepliesOf(tx, sender),
  )
  return {
    oldest: toProto(numbers, older<UnhandledRow>(oldest, toAdopt)),
    dead: toProto(numbers, dead),
    deadParts,
    hasEarlier,
  }
}

function toProto(numbers: ConnectedNumber[], part: UnhandledRow | null): UnhandledPart | undefined {
  if (!part) return undefined
  const { lane, key, receivedAtMs } = part
  if (lane !== 'webhooks.message')
    return { phoneNumberId: '', number: `campaign ${key}`, receivedAtMs }
  const known = numbers.find(({ phoneNumberId }) => phoneNumberId === key)
  return { phoneNumberId: key, number: known?.displayNumber ?? key, receivedAtMs }
}
