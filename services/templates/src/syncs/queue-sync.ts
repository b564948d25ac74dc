import type { Tx } from '@lockstep/database'
import { feed } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { insertRun } from '../db/sync-runs.ts'

/**
 * Queues a sync of a connection's WABA and answers its id; undefined while one is queued or
 * running.
 */
export async function queueSync(
  ctx: Context,
  tx: Tx,
  { connectionId, wabaId }: { connectionId: string; wabaId: string },
): Promise<string | undefined> {
  const id = uuid()
  if (!(await insertRun(tx, { id, connectionId, wabaId, now: new Date(ctx.now()) })))
    return undefined
  await feed(ctx, tx, { lane: 'templates.sync', key: connectionId, rowId: id })
  return id
}
