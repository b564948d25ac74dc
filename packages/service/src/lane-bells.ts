import { setTimeout as delay } from 'node:timers/promises'
import type { LaneName } from '@lockstep/contracts'
import type { BaseContext } from './context.ts'
import type { FeedSource } from './feed.ts'

/** Later is left to the sweeper, and so are keys past this number. */
const maxAheadMs = 60_000
const maxWaiting = 10_000

export interface LaterBells extends Disposable {
  /** Rings a key in so many ms; of several times asked for, the first. */
  ringIn(key: string, ms: number): void
}

/** Rings keys when their next entry falls due, by one timer a key; the sweeper would too, only later. */
export function openLaterBells(ctx: Pick<BaseContext, 'messaging'>, lane: LaneName): LaterBells {
  const waiting = new Map<string, { at: number; timer: NodeJS.Timeout }>()
  return {
    ringIn(key, ms) {
      const at = performance.now() + ms
      const known = waiting.get(key)
      if (ms > maxAheadMs || (known ? known.at <= at : waiting.size >= maxWaiting)) return
      clearTimeout(known?.timer)
      const ring = () => {
        waiting.delete(key)
        ctx.messaging.ring(lane, key)
      }
      waiting.set(key, { at, timer: setTimeout(ring, ms + 1).unref() })
    },
    [Symbol.dispose]() {
      for (const { timer } of waiting.values()) clearTimeout(timer)
      waiting.clear()
    },
  }
}

const retryMs = 1_000

/**
 * Has a lane's producer ring what is due, at the start and after each reconnect to NATS: a worker that wasn't listening has
 * missed the wake-ups, and the sweeper may have slowed down to one ring a minute. Tries until it has succeeded.
 */
export function catchUp(
  ctx: Pick<BaseContext, 'messaging' | 'log' | 'scale'>,
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
        if (isFirst && !signal.aborted) ctx.log.info({ lane, reason: (error as Error).message }, 'The work that waits is not known yet')
      }
      await delay(retryMs * ctx.scale * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined)
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
