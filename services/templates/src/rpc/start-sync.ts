import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { StartSyncRequest, SyncRun } from '@lockstep/rpc/gen/templates'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { SyncRunSchema } from '../db/entities.ts'
import { findActiveRun } from '../db/sync-runs.ts'
import { queueSync } from '../syncs/queue-sync.ts'
import { syncRunToProto } from '../to-proto.ts'

/** Queues a sync of the connection's WABA; refused while one is queued or running. */
export const startSync: Method<Context, StartSyncRequest, SyncRun> = async (ctx, request, call) => {
  const connection = await ctx.peers.accounts.getConnection(
    { id: requireId(request.connectionId, 'connection') },
    call,
  )
  if (connection.disconnectedAtMs !== undefined)
    throw new AppError(
      'precondition',
      'This connection has ended; connect the number again, then sync its templates',
    )
  const { id: connectionId, wabaId } = connection
  return ctx.db.transaction(call.accountId, async (tx) => {
    const id = await queueSync(ctx, tx, { connectionId, wabaId })
    if (id)
      return syncRunToProto(
        await tx.em.findOneOrFail(SyncRunSchema, { id, accountId: call.accountId }),
      )
    const since = (await findActiveRun(tx, connectionId))?.startedAt.toISOString() ?? 'a moment ago'
    throw new AppError('conflict', `A sync is running since ${since}; wait for it to end`)
  })
}
