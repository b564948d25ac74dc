import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ReadNewEventsRequest, ReadNewEventsResponse } from '@lockstep/rpc/gen/events'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { listNewEvents } from '../db/events.ts'
import { requireEventId } from '../event-id.ts'
import { eventToProto } from '../to-proto.ts'

const maxAccounts = 200
const maxEvents = 50

/** What is new of accounts since their last known events: at most 50 events each, in id order. */
export const readNewEvents: Method<Context, ReadNewEventsRequest, ReadNewEventsResponse> = async (
  ctx,
  request,
) => {
  if (request.positions.length > maxAccounts)
    throw new AppError('invalid', `Name at most ${maxAccounts} accounts`)
  const positions = request.positions.map(({ accountId, after }) => ({
    accountId: requireId(accountId, 'account'),
    after: requireEventId(after),
  }))
  if (positions.length === 0) return { accounts: [] }
  const accountIds = positions.map(({ accountId }) => accountId)
  const rows = await ctx.db.transaction(accountIds, (tx) => listNewEvents(tx, positions, maxEvents))
  const byAccount = Map.groupBy(rows, ({ accountId }) => accountId)
  const accounts = [...byAccount].map(([accountId, own]) => {
    return { accountId, events: own.map(({ accountId: _, ...event }) => eventToProto(event)) }
  })
  return { accounts }
}
