import { type LaneName, laneSettings, lanes } from '@lockstep/contracts'
import { type DueKey, dueKeys } from '@lockstep/database'
import type { BaseContext } from './context.ts'
import { every } from './every.ts'

/** When the sweeper rings a key again that stays due. */
export interface SweptKey {
  /** Its oldest due entry when it was rung; another one now means that work goes on. */
  oldest: string
  waitMs: number
  /** On the monotonic clock. */
  ringAt: number
}

type Sweeping = Pick<BaseContext, 'db' | 'messaging' | 'scale' | 'swept'>

/**
 * Rings every key that has due entries, whatever NATS holds: a doorbell may have been lost. A key that gets nothing done is
 * rung ever more rarely, up to once a minute, and starves no other: all keys are looked at in each round.
 */
export function sweepFeed(ctx: BaseContext): AsyncDisposable {
  return every(ctx, 'sweep-feed', laneSettings.sweepEveryMs * ctx.scale, async () => {
    const still = new Set<string>()
    for await (const due of dueKeysOf(ctx)) {
      still.add(idOf(due))
      if (isTime(ctx, due)) ctx.messaging.ring(due.lane, due.key)
    }
    for (const id of ctx.swept.keys()) if (!still.has(id)) ctx.swept.delete(id)
  })
}

/** Rings all due keys of a lane now, also those that the sweeper rings rarely; answers how many. */
export async function ringDue(ctx: Sweeping, lane: LaneName, signal?: AbortSignal): Promise<number> {
  let rung = 0
  for await (const due of dueKeysOf(ctx, lane)) {
    signal?.throwIfAborted()
    ctx.swept.delete(idOf(due))
    ctx.messaging.ring(due.lane, due.key)
    rung++
  }
  return rung
}

const pageKeys = 1_000

/** Page after page, and each page's rings are sent before the next, so that ten thousand keys don't overrun the doorbell. */
async function* dueKeysOf(ctx: Sweeping, lane?: LaneName): AsyncIterable<DueKey> {
  for (let after: DueKey | undefined; ; ) {
    const page = await ctx.db.system((tx) => dueKeys(tx, pageKeys, { lane, after }))
    for (const due of page) if (Object.hasOwn(lanes, due.lane)) yield due
    if (page.length < pageKeys) return
    await ctx.messaging.flush()
    after = page.at(-1)
  }
}

const idOf = ({ lane, key }: DueKey): string => `${lane} ${key}`

function isTime({ swept, scale }: Sweeping, due: DueKey): boolean {
  const now = performance.now()
  const seen = swept.get(idOf(due))
  const isStuck = seen?.oldest === due.oldest
  if (isStuck && now < seen.ringAt) return false
  const waitMs = isStuck ? Math.min(seen.waitMs * 2, laneSettings.sweepBackoffMs * scale) : laneSettings.sweepEveryMs * scale
  swept.set(idOf(due), { oldest: due.oldest, waitMs, ringAt: now + waitMs })
  return true
}
