import { randomBytes } from 'node:crypto'
import { instances, type Liveness } from '@lockstep/contracts'
import { openLiveness } from './liveness.ts'
import { type Redis, untilReady, type Warn } from './redis.ts'

/** What is held by this process and ends with its instance key. */
export interface Losable {
  readonly keys: readonly string[]
  lose(reason: string): void
  release(): Promise<void>
}

/** The life sign of this process: while its key stands, nobody takes over its locks. */
export interface Instance extends AsyncDisposable {
  readonly id: string
  readonly key: string
  readonly ttlMs: number
  readonly locks: Set<Losable>
  readonly liveness: Liveness
  /** Moves when the key was gone: what an earlier epoch acquired may be another's by now. */
  epoch(): number
  /** Until when, on the monotonic clock, others leave our locks alone. */
  deadline(): number
  /** Redis found the key gone, and set it, for a request sent at `askedAt`. */
  wasGone(askedAt: number): void
}

/** Keeps `instance:{id}` alive; resolves when Redis has it or is away. */
export async function keepInstance(
  redis: Redis,
  instanceId: string,
  scale: number,
  onWarn: Warn,
): Promise<Instance> {
  // A process that starts again under its old name must not keep the locks of its dead predecessor
  // alive.
  const id = `${instanceId}.${randomBytes(4).toString('hex')}`
  const key = instances.key(id)
  const ttlMs = Math.round(instances.ttlMs * scale)
  const locks = new Set<Losable>()
  const liveness = openLiveness(redis, id, scale, () => void beat())
  const expiry = { at: Number.NEGATIVE_INFINITY, timer: undefined as NodeJS.Timeout | undefined }
  let epoch = 0
  let next: NodeJS.Timeout | undefined
  let closed = false

  function loseAll(reason: string): void {
    epoch += 1
    for (const lock of [...locks]) lock.lose(reason)
  }

  function confirm(askedAt: number, known: boolean): void {
    if (!known) loseAll('its instance key was gone, so that others could take them')
    const at = askedAt + ttlMs * 0.95
    if (at <= expiry.at) return
    expiry.at = at
    // One timer that looks again is cheaper than a new one at each acquire.
    expiry.timer ??= setTimeout(expire, at - performance.now()).unref()
  }

  function expire(): void {
    expiry.timer = undefined
    const leftMs = expiry.at - performance.now()
    if (leftMs > 0 && !closed) expiry.timer = setTimeout(expire, leftMs).unref()
    else loseAll('its instance key could not be renewed')
  }

  async function beat(): Promise<void> {
    clearTimeout(next)
    let inMs = instances.renewEveryMs * scale
    try {
      const askedAt = performance.now()
      confirm(askedAt, await liveness.renew(ttlMs))
    } catch {
      inMs /= 5 // the connection itself reports what is wrong
    }
    clearTimeout(next)
    if (!closed) next = setTimeout(beat, inMs).unref()
  }

  await untilReady(redis, 2_000 * scale).catch((error: Error) =>
    onWarn('Redis is away; there are no locks until it is back', { error: error.message }),
  )
  await beat()
  redis.on('ready', beat) // at once after an outage: a restarted Redis has forgotten our locks

  return {
    id,
    key,
    ttlMs,
    locks,
    liveness,
    epoch: () => epoch,
    deadline: () => expiry.at,
    wasGone: (askedAt) => confirm(askedAt, false),
    async [Symbol.asyncDispose]() {
      closed = true
      redis.off('ready', beat)
      clearTimeout(next)
      clearTimeout(expiry.timer)
      await liveness.close()
    },
  }
}
