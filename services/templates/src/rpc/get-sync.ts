import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { GetSyncRequest, SyncRun } from '@lockstep/rpc/gen/templates'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { SyncRunSchema } from '../db/entities.ts'
import { syncRunToProto } from '../to-proto.ts'

/** How far a sync is. */
export const getSync: Method<Context, GetSyncRequest, SyncRun> = (ctx, request, { accountId }) =>
  ctx.db.transaction(accountId, async (tx) => {
    const run = await tx.em.findOne(SyncRunSchema, { id: requireId(request.id, 'sync'), accountId })
    if (!run) throw new AppError('not_found', `There is no sync ${request.id}`)
    return syncRunToProto(run)
  })
