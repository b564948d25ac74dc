import type { Tx } from '@lockstep/database'
import { feed } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import { type EndpointKey, markFirst } from '../db/deliveries.ts'

/** Has what is pending of a locked endpoint posted, each subject from its first event on. */
export async function pendingGoesOn(ctx: Context, tx: Tx, key: EndpointKey): Promise<void> {
  await markFirst(tx, key.endpointId, 'all')
  await feed(ctx, tx, { lane: 'events.deliver', key: key.endpointId, accountId: key.accountId })
}
