import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  ListAccountEventsRequest,
  ListAccountEventsResponse,
} from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { listEvents } from '../db/account-events.ts'
import { accountEventToProto } from '../to-proto.ts'

const usualLimit = 100
const maxLimit = 1_000

/** What Meta said about the account's WABAs and numbers, what was received last first. */
export const listAccountEvents: Method<
  Context,
  ListAccountEventsRequest,
  ListAccountEventsResponse
> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { wabaId, field, beforeId } = request
    const limit = Math.min(request.limit > 0 ? request.limit : usualLimit, maxLimit)
    if (beforeId && !/^\d{1,18}$/.test(beforeId))
      throw new AppError('invalid', '"before_id" is not the id of an event')
    return {
      events: (await listEvents(tx, { wabaId, field, beforeId, limit })).map(accountEventToProto),
    }
  })
