import { AppError } from '@lockstep/contracts'
import { isUniqueViolation } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { StartSyncRequest, SyncRun } from '@lockstep/rpc/gen/templates'
import { feed, requireId } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { SyncRunSchema } from '../db/entities.ts'
import { findActiveRun } from '../db/queries.ts'
import { syncRunToProto } from '../to-proto.ts'

/** Queues a sync of the connection's WABA; refused while one is queued or running. */
export const startSync: Method<Context, StartSyncRequest, SyncRun> = async (ctx, request, call) => {
  const { accountId } = call
  const connection = await ctx.accounts.getConnection({ id: requireId(request.connectionId, 'connection') }, call)
  if (connection.disconnectedAtMs !== undefined)
    throw new AppError('precondition', 'This connection has ended; connect the number again, then sync its templates')
  const { id: connectionId, wabaId } = connection
  try {
    return await ctx.db.transaction(accountId, async (tx) => {
      const active = await findActiveRun(tx, connectionId)
      if (active) throw new AppError('conflict', `A sync is running since ${active.startedAt.toISOString()}; wait for it to end`)
      const now = new Date(ctx.now())
      const ordered = { id: uuid(), accountId, connectionId, wabaId, state: 'queued', seen: 0, removed: 0, failure: '' } as const
      const run = tx.em.create(SyncRunSchema, { ...ordered, createdAt: now, startedAt: now })
      await feed(ctx, tx, { lane: 'templates.sync', key: connectionId, rowId: run.id })
      return syncRunToProto(run)
    })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new AppError('conflict', 'A sync is running since a moment ago; wait for it to end', { cause: error })
  }
}
