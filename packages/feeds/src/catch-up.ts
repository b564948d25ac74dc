import { setTimeout as delay } from 'node:timers/promises'
import type { LaneName } from '@lockstep/contracts'
import type { FeedContext } from './context.ts'
import type { FeedSource } from './source.ts'

const retryMs = 1_000

/**
 * Has a lane's producer ring what is due, at the start and after each reconnect to NATS: a worker that wasn't listening has
 * missed the wake-ups. Tries until it has succeeded.
 */
export function catchUp(
  ctx: Pick<FeedContext, 'messaging' | 'log' | 'scale'>,
  lane: LaneName,
  source: Pick<FeedSource, 'ring'>,
): AsyncDisposable {
  const stop = new AbortController()
  const { signal } = stop
  let running = Promise.resolve()
  const ring = async () => {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      try {
        return await source.ring(lane, signal)
      } catch (error) {
        if (isFirst && !signal.aborted)
          ctx.log.info(
            { lane, reason: (error as Error).message },
            'The work that waits is not known yet',
          )
      }
      await delay(retryMs * ctx.scale * (0.5 + Math.random()), undefined, { signal }).catch(
        () => undefined,
      )
    }
  }
  const start = () => {
    running = running.then(ring)
  }
  const reconnects = ctx.messaging.onReconnect(start) // also tells of a first connection that comes late
  if (ctx.messaging.isConnected()) start()
  return {
    async [Symbol.asyncDispose]() {
      reconnects[Symbol.dispose]()
      stop.abort()
      await running
    },
  }
}
