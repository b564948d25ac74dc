import { Agent } from 'undici'
import { draws } from './fate.ts'
import type { ElementRef, GroundTruth } from './log.ts'
import type { Settings } from './settings.ts'
import type { App } from './state.ts'
import { createTimeline } from './timeline.ts'
import {
  composeBody,
  type Directory,
  type Element,
  encodeBody,
  refOf,
  signBody,
} from './webhook-body.ts'

/** Updates on their way to the callback URLs: batched, signed, retried until HTTP 200 (meta-cloud-api.md §1). */
export interface Webhooks extends AsyncDisposable {
  /** Puts an update into the batch of an app's callback URL. */
  enqueue(element: Element, app: App, url: string): void
  /** Looks whether something can go out now; to be called when settings changed. */
  wake(): void
  /** Updates waiting for a batch, and webhooks in flight or waiting to be sent again. */
  pending(): { queued: number; deliveries: number }
  clear(): void
  /** Sends any bytes once, outside of all batches, and answers with the HTTP status, 0 for none. */
  sendOnce(
    url: string,
    body: Buffer,
    signature: string | undefined,
    appId: string,
    elements?: ElementRef[],
  ): Promise<number>
}

interface Lane {
  app: App
  url: string
  queue: Element[]
  sinceMs: number
  timer?: NodeJS.Timeout | undefined
  /** Webhooks sent or waiting to be sent again. */
  outstanding: number
  /** Cleared while webhooks were in flight: they are not sent again. */
  dropped: boolean
}

interface Delivery {
  id: string
  lane: Lane
  body: Buffer
  elements: ElementRef[]
  attempt: number
  firstAtMs: number
}

/** Bodies kept in memory for one URL; beyond that updates wait in their small form. */
const MAX_OUTSTANDING = 256

/** Opens the delivery of webhooks. `idle` is called whenever nothing is under way any more; ids go on behind `lastId`. */
export function createWebhooks(
  settings: () => Settings,
  directory: Directory & { app(id: string): App | undefined },
  log: GroundTruth,
  options: { lastId: number; idle(): void },
): Webhooks {
  const agent = new Agent({ keepAliveTimeout: 4_000, connections: 64 })
  const closing = new AbortController()
  const lanes = new Map<string, Lane>()
  const ready: Delivery[] = []
  const running = new Set<Promise<void>>()
  const retries = createTimeline<Delivery>((delivery) => {
    ready.push(delivery)
    pump()
  })
  let lastId = options.lastId

  function enqueue(element: Element, app: App, url: string): void {
    const key = `${app.id} ${url}`
    const lane = lanes.get(key) ?? {
      app,
      url,
      queue: [],
      sinceMs: 0,
      outstanding: 0,
      dropped: false,
    }
    lanes.set(key, lane)
    if (lane.queue.push(element) === 1) {
      lane.sinceMs = Date.now()
      lane.timer = setTimeout(pump, settings().webhooks.batchMs)
    } else if (lane.queue.length === settings().webhooks.batchSize) {
      setImmediate(pump)
    }
  }

  function pump(): void {
    const { paused, concurrency } = settings().webhooks
    if (paused || closing.signal.aborted) return
    while (running.size < concurrency) {
      const delivery = ready.shift() ?? nextBatch()
      if (!delivery) break
      const run: Promise<void> = attempt(delivery).finally(() => {
        running.delete(run)
        pump()
        if (pending().deliveries + pending().queued === 0) options.idle()
      })
      running.add(run)
    }
  }

  function nextBatch(): Delivery | undefined {
    const { batchSize, batchMs, duplicates } = settings().webhooks
    for (const [key, lane] of lanes) {
      const due =
        lane.queue.length >= batchSize ||
        (lane.queue.length > 0 && Date.now() - lane.sinceMs >= batchMs - 1)
      if (!due || lane.outstanding >= MAX_OUTSTANDING) continue
      clearTimeout(lane.timer)
      const copies = deliveriesOf(lane, lane.queue.splice(0, batchSize), duplicates)
      // The lane served goes behind the others.
      lanes.delete(key)
      lanes.set(key, lane)
      ready.push(...copies.slice(1))
      return copies[0]
    }
    return undefined
  }

  function deliveriesOf(lane: Lane, elements: Element[], copies: number): Delivery[] {
    const { seed, webhooks } = settings()
    if (webhooks.disorder > 0) shuffle(elements, draws(seed, 'shuffle', lastId + 1))
    const body = encodeBody(composeBody(elements, directory))
    const refs = elements.map(refOf)
    lane.outstanding += copies
    return Array.from({ length: copies }, () => ({
      id: `d${++lastId}`,
      lane,
      body,
      elements: refs,
      attempt: 0,
      firstAtMs: Date.now(),
    }))
  }

  async function attempt(delivery: Delivery): Promise<void> {
    const { lane, body, elements } = delivery
    // The app may have a new secret or callback URL since the first attempt.
    const app = directory.app(lane.app.id) ?? lane.app
    const url = lane.url === lane.app.callbackUrl ? (app.callbackUrl ?? lane.url) : lane.url
    delivery.attempt++
    const status = await post(url, body, signBody(app.secret, body), {
      id: delivery.id,
      appId: app.id,
      attempt: delivery.attempt,
      elements,
    })
    if (closing.signal.aborted || lane.dropped) return
    const { retry } = settings()
    if (status === 200 || Date.now() - delivery.firstAtMs > retry.giveUpMs) {
      lane.outstanding--
      return
    }
    // The first repetition comes at once, the others with growing gaps (meta-cloud-api.md §1 "Retries").
    const waitMs =
      delivery.attempt === 1
        ? 0
        : Math.min(retry.maxMs, retry.baseMs * retry.factor ** (delivery.attempt - 2))
    retries.add(Date.now() + waitMs, delivery)
  }

  async function post(
    url: string,
    body: Buffer,
    signature: string | undefined,
    facts: DeliveryFacts,
  ): Promise<number> {
    const startedAtMs = Date.now()
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'facebookexternalua',
      ...(signature && { 'x-hub-signature-256': signature }),
    }
    const signal = AbortSignal.any([
      closing.signal,
      AbortSignal.timeout(settings().webhooks.timeoutMs),
    ])
    let httpStatus = 0
    let error: string | undefined
    try {
      const { origin, pathname, search } = new URL(url)
      const response = await agent.request({
        origin,
        path: pathname + search,
        method: 'POST',
        headers,
        body,
        signal,
      })
      await response.body.dump()
      httpStatus = response.statusCode
    } catch (cause) {
      error = (cause as NodeJS.ErrnoException).code?.toString() ?? String((cause as Error).name)
    }
    if (!closing.signal.aborted)
      void log.append({
        atMs: Date.now(),
        kind: 'delivery',
        ...facts,
        startedAtMs,
        httpStatus,
        ...(error && { error }),
      })
    return httpStatus
  }

  const outstanding = () => lanes.values().reduce((sum, lane) => sum + lane.outstanding, 0)
  const pending = () => ({
    queued: lanes.values().reduce((sum, lane) => sum + lane.queue.length, 0),
    deliveries: outstanding(),
  })

  return {
    enqueue,
    wake: pump,
    pending,
    clear() {
      for (const lane of lanes.values()) {
        clearTimeout(lane.timer)
        lane.dropped = true
      }
      lanes.clear()
      ready.length = 0
      retries.clear()
    },
    sendOnce: (url, body, signature, appId, elements = []) =>
      post(url, body, signature, { id: `d${++lastId}`, appId, attempt: 1, elements }),
    async [Symbol.asyncDispose]() {
      closing.abort()
      this.clear()
      await Promise.allSettled(running)
      await agent.destroy()
    },
  }
}

interface DeliveryFacts {
  id: string
  appId: string
  attempt: number
  elements: ElementRef[]
}

function shuffle<T>(list: T[], draw: () => number): void {
  for (let at = list.length - 1; at > 0; at--) {
    const other = Math.floor(draw() * (at + 1))
    ;[list[at], list[other]] = [list[other]!, list[at]!]
  }
}
