import type { Method } from '@lockstep/rpc'
import type { GetPositionRequest, Position } from '@lockstep/rpc/gen/events'
import type { Context } from '../context.ts'
import { readPosition } from '../db/events.ts'

/** Where the account's list of events ends, and up to where it is kept no longer. */
export const getPosition: Method<Context, GetPositionRequest, Position> = (
  ctx,
  _request,
  { accountId },
) => ctx.db.transaction(accountId, readPosition)
