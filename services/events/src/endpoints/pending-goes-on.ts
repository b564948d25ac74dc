import type { Tx } from '@lockstep/database'
import { feed } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import { bringForward, type EndpointKey } from '../db/deliveries.ts'

/** Has what is pending of a locked endpoint posted now, also what waits for its next attempt. */
export async function pendingGoesOn(ctx: Context, tx: Tx, key: EndpointKey): Promise<void> {
  await bringForward(tx, key.endpointId)
  await feed(ctx, tx, { lane: 'events.deliver', key: key.endpointId, accountId: key.accountId })
}
