import {
  type Batch,
  type CallbackQueue,
  type CallbackQueues,
  createCallbackQueues,
} from './callback-queues.ts'
import { draws } from './fate.ts'
import type { ElementRef, GroundTruth } from './log.ts'
import type { Settings } from './settings.ts'
import type { App } from './state.ts'
import { createTimeline, type Timeline } from './timeline.ts'
import {
  composeBody,
  type Directory,
  type Element,
  encodeBody,
  refOf,
  signBody,
} from './webhook-body.ts'
import { createWebhookPoster, type WebhookPoster } from './webhook-post.ts'

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

interface Delivery {
  id: string
  queue: CallbackQueue
  body: Buffer
  elements: ElementRef[]
  attempt: number
  firstAtMs: number
}

/** Who is named in a webhook, and the apps as they are now. */
type WebhookDirectory = Directory & { app(id: string): App | undefined }

/** Opens the delivery of webhooks. `idle` is called whenever nothing is under way any more; ids go on behind `lastId`. */
export function createWebhooks(
  settings: () => Settings,
  directory: WebhookDirectory,
  log: GroundTruth,
  options: { lastId: number; idle(): void },
): Webhooks {
  return new WebhookDelivery(settings, directory, log, options)
}

class WebhookDelivery implements Webhooks {
  readonly #settings: () => Settings
  readonly #directory: WebhookDirectory
  readonly #onIdle: () => void
  readonly #closing = new AbortController()
  readonly #poster: WebhookPoster
  readonly #queues: CallbackQueues
  readonly #retries: Timeline<Delivery>
  /** Copies of a body that was just sent, and deliveries that are to be sent again now. */
  readonly #ready: Delivery[] = []
  readonly #running = new Set<Promise<void>>()
  #lastId: number

  constructor(
    settings: () => Settings,
    directory: WebhookDirectory,
    log: GroundTruth,
    { lastId, idle }: { lastId: number; idle(): void },
  ) {
    this.#settings = settings
    this.#directory = directory
    this.#onIdle = idle
    this.#lastId = lastId
    this.#poster = createWebhookPoster(settings, log, this.#closing.signal)
    this.#queues = createCallbackQueues(
      () => settings().webhooks,
      () => this.wake(),
    )
    this.#retries = createTimeline((delivery) => {
      this.#ready.push(delivery)
      this.wake()
    })
  }

  enqueue(element: Element, app: App, url: string): void {
    this.#queues.add(element, app, url)
  }

  wake(): void {
    const { paused, concurrency } = this.#settings().webhooks
    if (paused || this.#closing.signal.aborted) return
    while (this.#running.size < concurrency) {
      const delivery = this.#ready.shift() ?? this.#nextBatch()
      if (!delivery) break
      const run: Promise<void> = this.#attempt(delivery).finally(() => {
        this.#running.delete(run)
        this.wake()
        const { queued, deliveries } = this.pending()
        if (queued + deliveries === 0) this.#onIdle()
      })
      this.#running.add(run)
    }
  }

  pending(): { queued: number; deliveries: number } {
    return this.#queues.pending()
  }

  clear(): void {
    this.#queues.clear()
    this.#ready.length = 0
    this.#retries.clear()
  }

  sendOnce(
    url: string,
    body: Buffer,
    signature: string | undefined,
    appId: string,
    elements: ElementRef[] = [],
  ): Promise<number> {
    const id = this.#nextId()
    return this.#poster.post(url, body, signature, { id, appId, attempt: 1, elements })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.clear()
    await Promise.allSettled(this.#running)
    await this.#poster[Symbol.asyncDispose]()
  }

  #nextId(): string {
    return `d${++this.#lastId}`
  }

  #nextBatch(): Delivery | undefined {
    const batch = this.#queues.takeBatch()
    if (!batch) return undefined
    const [first, ...copies] = this.#deliveriesOf(batch)
    this.#ready.push(...copies)
    return first
  }

  #deliveriesOf({ queue, elements }: Batch): Delivery[] {
    const { seed, webhooks } = this.#settings()
    if (webhooks.disorder > 0) shuffle(elements, draws(seed, 'shuffle', this.#lastId + 1))
    const body = encodeBody(composeBody(elements, this.#directory))
    const refs = elements.map(refOf)
    queue.outstanding += webhooks.duplicates
    return Array.from({ length: webhooks.duplicates }, () => ({
      id: this.#nextId(),
      queue,
      body,
      elements: refs,
      attempt: 0,
      firstAtMs: Date.now(),
    }))
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { id, queue, body, elements } = delivery
    // The app may have a new secret or callback URL since the first attempt.
    const app = this.#directory.app(queue.app.id) ?? queue.app
    const url = queue.url === queue.app.callbackUrl ? (app.callbackUrl ?? queue.url) : queue.url
    const attempt = ++delivery.attempt
    const facts = { id, appId: app.id, attempt, elements }
    const status = await this.#poster.post(url, body, signBody(app.secret, body), facts)
    if (this.#closing.signal.aborted || queue.dropped) return
    const { retry } = this.#settings()
    if (status === 200 || Date.now() - delivery.firstAtMs > retry.giveUpMs) queue.outstanding--
    else this.#retries.add(Date.now() + retryAfterMs(retry, attempt), delivery)
  }
}

/** The first repetition comes at once, the others with growing gaps (meta-cloud-api.md §1 "Retries"). */
function retryAfterMs({ maxMs, baseMs, factor }: Settings['retry'], attempt: number): number {
  return attempt === 1 ? 0 : Math.min(maxMs, baseMs * factor ** (attempt - 2))
}

function shuffle<T>(list: T[], draw: () => number): void {
  for (let at = list.length - 1; at > 0; at--) {
    const other = Math.floor(draw() * (at + 1))
    ;[list[at], list[other]] = [list[other]!, list[at]!]
  }
}
