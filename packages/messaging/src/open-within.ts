import { setTimeout as delay } from 'node:timers/promises'
import type { LaneName } from '@lockstep/contracts'
import { type Messaging, type MessagingOptions, openMessaging } from './messaging.ts'
import { counted } from './metrics.ts'

/**
 * Like `openMessaging`, but resolves after `maxWaitMs` when NATS is away, and goes on connecting.
 * Until then wake-ups and events count as failed; lanes and subscriptions begin once it is
 * connected.
 */
export async function openMessagingWithin(
  options: MessagingOptions,
  maxWaitMs: number,
): Promise<Messaging> {
  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  const opening = openMessaging({ ...options, signal })
  const opened = await Promise.race([opening, delay(maxWaitMs, undefined, { ref: false })])
  return opened ?? stillOpening(opening, stop, options)
}

function stillOpening(
  opening: Promise<Messaging>,
  stop: AbortController,
  { log }: MessagingOptions,
): Messaging {
  const begins = new Set<(messaging: Messaging) => void>()
  let open: Messaging | undefined
  const settled = opening.then(
    (messaging) => {
      open = messaging
      log.info('NATS is there now')
      for (const begin of begins) begin(messaging)
    },
    (err) => {
      if (!stop.signal.aborted)
        log.error(
          { err },
          'NATS can not be used; what needs it waits until this process is started again',
        )
    },
  )

  /** Now, or when the server is there; what was begun ends with what this returns. */
  function begin<T>(start: (messaging: Messaging) => T): { ended(): T | undefined } {
    if (open) {
      const begun = start(open)
      return { ended: () => begun }
    }
    let begun: T | undefined
    const later = (messaging: Messaging) => {
      begun = start(messaging)
    }
    begins.add(later)
    return {
      ended() {
        begins.delete(later)
        return begun
      },
    }
  }

  return {
    wake(lane: LaneName, key: string) {
      if (open) open.wake(lane, key)
      else counted.wakeUpFailures(1, { lane })
    },
    wakePartition(lane: LaneName, partition: number) {
      if (open) open.wakePartition(lane, partition)
      else counted.wakeUpFailures(1, { lane })
    },
    flush: async () => open?.flush(),
    async consumeLane(...args) {
      const work = begin((messaging) => messaging.consumeLane(...args))
      return { [Symbol.asyncDispose]: async () => (await work.ended())?.[Symbol.asyncDispose]() }
    },
    publishEvent(subject, payload) {
      if (open) open.publishEvent(subject, payload)
      else counted.eventsDropped()
    },
    subscribeEvent(subject, fn) {
      const subscription = begin((messaging) => messaging.subscribeEvent(subject, fn))
      return { [Symbol.dispose]: () => subscription.ended()?.[Symbol.dispose]() }
    },
    onReconnect(fn) {
      const early = !open
      const listening = begin((messaging) => {
        if (early) fn() // whoever came before the connection sees it come
        return messaging.onReconnect(fn)
      })
      return { [Symbol.dispose]: () => listening.ended()?.[Symbol.dispose]() }
    },
    isConnected: () => open?.isConnected() ?? false,
    async [Symbol.asyncDispose]() {
      begins.clear()
      stop.abort()
      await settled
      await open?.[Symbol.asyncDispose]()
    },
  }
}
