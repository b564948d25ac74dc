import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import type { Template } from '../db/entities.ts'
import { findActiveRun } from '../db/sync-runs.ts'
import { queueSync } from '../syncs/queue-sync.ts'

/** A template whose components have changed at Meta, and the connection to read them through. */
export interface OutdatedTemplate {
  entryId: string
  template: Template
  at: Date
  connectionId: string
}

/**
 * Has outdated templates read again, by a sync that is queued already or now. Answers the entries
 * that must come again.
 */
export async function syncOutdated(
  ctx: Context,
  tx: Tx,
  wabaId: string,
  outdated: OutdatedTemplate[],
): Promise<string[]> {
  const isQueued = new Map<string, boolean>()
  for (const connectionId of [...new Set(outdated.map((each) => each.connectionId))].sort()) {
    const queued = (await queueSync(ctx, tx, { connectionId, wabaId })) !== undefined
    const active = queued ? undefined : await findActiveRun(tx, connectionId)
    isQueued.set(connectionId, queued || active?.state === 'queued')
  }
  const [covered, others] = [true, false].map((is) =>
    outdated.filter(({ connectionId }) => isQueued.get(connectionId) === is),
  ) as [OutdatedTemplate[], OutdatedTemplate[]]
  for (const { template, at } of covered)
    template.componentsEventAt = new Date(
      Math.max(at.getTime(), template.componentsEventAt?.getTime() ?? 0),
    )
  return others.map(({ entryId }) => entryId)
}
