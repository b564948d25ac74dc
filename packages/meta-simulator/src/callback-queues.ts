import type { Settings } from './settings.ts'
import type { App } from './state.ts'
import type { Element } from './webhook-body.ts'

/** Updates for one callback URL of an app. */
export interface CallbackQueue {
  app: App
  url: string
  elements: Element[]
  sinceMs: number
  timer?: NodeJS.Timeout | undefined
  /** Webhooks sent or waiting to be sent again. */
  outstanding: number
  /** Cleared while webhooks were in flight: they are not sent again. */
  dropped: boolean
}

/** What goes out in one webhook. */
export interface Batch {
  queue: CallbackQueue
  elements: Element[]
}

export interface CallbackQueues {
  add(element: Element, app: App, url: string): void
  /** A batch that is full or has waited long enough, the URLs in turn. */
  takeBatch(): Batch | undefined
  pending(): { queued: number; deliveries: number }
  clear(): void
}

/** Bodies kept in memory for one URL; beyond that updates wait in their small form. */
const MAX_OUTSTANDING = 256

/** `onDue` is called when there may be a batch to take. */
export function createCallbackQueues(
  settings: () => Settings['webhooks'],
  onDue: () => void,
): CallbackQueues {
  const queues = new Map<string, CallbackQueue>()
  return {
    add(element, app, url) {
      const key = `${app.id} ${url}`
      const queue = queues.get(key) ?? emptyQueue(app, url)
      queues.set(key, queue)
      if (queue.elements.push(element) === 1) {
        queue.sinceMs = Date.now()
        queue.timer = setTimeout(onDue, settings().batchMs)
      } else if (queue.elements.length === settings().batchSize) {
        setImmediate(onDue)
      }
    },
    takeBatch() {
      const limits = settings()
      for (const [key, queue] of queues) {
        if (!isDue(queue, limits) || queue.outstanding >= MAX_OUTSTANDING) continue
        clearTimeout(queue.timer)
        // The queue served goes behind the others.
        queues.delete(key)
        queues.set(key, queue)
        return { queue, elements: queue.elements.splice(0, limits.batchSize) }
      }
      return undefined
    },
    pending: () => ({
      queued: queues.values().reduce((sum, queue) => sum + queue.elements.length, 0),
      deliveries: queues.values().reduce((sum, queue) => sum + queue.outstanding, 0),
    }),
    clear() {
      for (const queue of queues.values()) {
        clearTimeout(queue.timer)
        queue.dropped = true
      }
      queues.clear()
    },
  }
}

const emptyQueue = (app: App, url: string): CallbackQueue => ({
  app,
  url,
  elements: [],
  sinceMs: 0,
  outstanding: 0,
  dropped: false,
})

function isDue(
  { elements, sinceMs }: CallbackQueue,
  { batchSize, batchMs }: Settings['webhooks'],
): boolean {
  if (elements.length >= batchSize) return true
  return elements.length > 0 && Date.now() - sinceMs >= batchMs - 1
}
