import { setTimeout as delay } from 'node:timers/promises'
import type { LaneName } from '@lockstep/contracts'
import type { FeedContext } from './context.ts'
import type { FeedSource } from './source.ts'

const retryMs = 1_000

/** Asks a producer for wake-ups at the start and after each reconnect, until it succeeds. */
export function catchUp(
  ctx: Pick<FeedContext, 'messaging' | 'log' | 'scale'>,
  lane: LaneName,
  source: Pick<FeedSource, 'wake'>,
): AsyncDisposable {
  const stop = new AbortController()
  const { signal } = stop
  let running = Promise.resolve()
  const wake = async () => {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      try {
        return await source.wake(lane, signal)
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
    running = running.then(wake)
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
