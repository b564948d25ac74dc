import { AppError } from '@lockstep/contracts'
import { gauge } from '@lockstep/telemetry'
import type { App } from '../apps/app.ts'
import type { Context } from '../context.ts'
import { countForgedToken, countRequest } from '../metrics.ts'
import { type NewPart, splitBody, splitBodyInSteps } from '../parts/split-body.ts'
import { openLargeBodyQueue } from './large-body-queue.ts'
import { type QueuedBody, storeGroup } from './store-group.ts'
import { openUuid7 } from './uuid7.ts'

/** Puts signed bodies into PostgreSQL. Disposing stores what is queued. */
export interface GroupCommit extends AsyncDisposable {
  /**
   * Resolves once a body is committed with its parts. Throws `busy` when PostgreSQL is away or too
   * much is queued, and `internal` when PostgreSQL refuses this very body.
   */
  store(app: App, receivedAtMs: number, raw: Buffer): Promise<void>
}

const maxGroup = { bodies: 500, bytes: 8 * 1024 * 1024 }
/** A larger body is split in its account's queue. */
const largeBytes = 32 * 1024
const maxQueuedBytes = 64 * 1024 * 1024

/**
 * Group commit with one statement at a time, which stores all that arrived during the one before.
 * Two at a time were slower (docs/decisions/0008).
 */
export function openGroupCommit(ctx: Context): GroupCommit {
  const nextId = openUuid7()
  const rules = { tokens: ctx.tokens, onForged: countForgedToken }
  const largeBodies = openLargeBodyQueue()
  const queued = openQueuedBytes()
  const queue: QueuedBody[] = []
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (queue.length > 0) await storeGroup(ctx, queue.splice(0, groupLength(queue)))
    running = undefined
  }

  function enqueue(app: App, receivedAtMs: number, raw: Buffer, parts: NewPart[]): Promise<void> {
    let bytes = raw.length
    for (const { content } of parts) if (content) bytes += content.length
    queued.reserve(bytes)
    const body = { id: nextId(), appId: app.id, accountId: app.accountId, receivedAtMs, raw, parts }
    return new Promise((resolve, reject) => {
      const answer = (error: AppError | null) => {
        queued.release(bytes)
        if (error) reject(error)
        else resolve()
      }
      queue.push({ body, bytes, answer })
      running ??= run()
    })
  }

  return {
    store(app, receivedAtMs, raw) {
      const present = () => ctx.apps.peek(app.id) ?? app
      if (raw.length <= largeBytes)
        return enqueue(app, receivedAtMs, raw, splitBody(raw, present(), rules))
      queued.reserve(raw.length)
      return largeBodies
        .run(app.accountId, raw.length, () => splitBodyInSteps(raw, present(), rules))
        .finally(() => queued.release(raw.length))
        .then((parts) => enqueue(app, receivedAtMs, raw, parts))
    },
    async [Symbol.asyncDispose]() {
      await running
      queued[Symbol.dispose]()
    },
  }
}

/** Bounds and measures the bytes that wait to be stored. */
function openQueuedBytes() {
  let queued = 0
  const about = 'Webhook bodies waiting to be stored'
  const metric = gauge('lockstep_webhook_queued_bytes', about, () => [{ value: queued }])
  return {
    /** Throws `busy` when too much waits. */
    reserve(bytes: number): void {
      if (queued + bytes > maxQueuedBytes) {
        countRequest('queue_full')
        throw new AppError('busy', 'Too many webhooks wait to be stored; send it again')
      }
      queued += bytes
    },
    release(bytes: number): void {
      queued -= bytes
    },
    [Symbol.dispose]: () => metric[Symbol.dispose](),
  }
}

/** How many of the first in the queue are stored together: at least one. */
function groupLength(queue: readonly QueuedBody[]): number {
  let bytes = 0
  let length = 0
  for (const body of queue) {
    bytes += body.bytes
    if (length > 0 && (length >= maxGroup.bodies || bytes > maxGroup.bytes)) break
    length += 1
  }
  return length
}
