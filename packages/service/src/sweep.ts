import { laneSettings } from '@lockstep/contracts'
import { sweepDue } from '@lockstep/feeds'
import type { BaseContext } from './context.ts'
import { every } from './every.ts'

/** A wake-up may have been lost, so what is due is woken again and again. */
export function sweepFeed(ctx: BaseContext): AsyncDisposable {
  return every(ctx, 'sweep-feed', laneSettings.sweepEveryMs * ctx.scale, sweepDue)
}
