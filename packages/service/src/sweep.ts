import { laneSettings } from '@lockstep/contracts'
import { sweepDue } from '@lockstep/feeds'
import type { BaseContext } from './context.ts'
import { every } from './every.ts'

/** Wakes the workers of what is due in this service's feed, again and again: a wake-up may have been lost. */
export function sweepFeed(ctx: BaseContext): AsyncDisposable {
  return every(ctx, 'sweep-feed', laneSettings.sweepEveryMs * ctx.scale, sweepDue)
}
