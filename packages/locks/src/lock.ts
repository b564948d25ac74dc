import { renewEveryMs } from '@lockstep/contracts'
import { lockLost } from './errors.ts'
import type { Instance, Losable } from './instance.ts'
import { lockMetrics, type Tally } from './metrics.ts'
import type { Redis, Warn } from './redis.ts'
import { type Request, release, renew } from './scripts.ts'

/** One or several keys that are held together. `await using` releases them on every path. */
export interface Lock extends AsyncDisposable {
  /** The keys as they stand in Redis, in lock order. */
  readonly keys: readonly string[]
  readonly owner: string
  /** Aborts, with `LockLost` as its reason, as soon as it is known that the lock is lost. */
  readonly signal: AbortSignal
  /** Throws `LockLost`; sees a passed deadline even if no timer could run. */
  assertHeld(): void
  /** Never throws and may be called again; a lost lock is counted, not reported. */
  release(): Promise<void>
}

/** What a held lock needs of its manager. */
export interface LockManager {
  redis: Redis
  instance: Instance
  onWarn: Warn
  /** Releases in the background: a lost request may still reach Redis. */
  releaseLater(request: Request): void
}

/** What acquiring told the manager. */
export interface Acquisition {
  request: Request
  tally: Tally
  /** Monotonic time just before the request went out: the TTL cannot have begun earlier. */
  askedAt: number
  /** An earlier request got no answer and may still reach Redis. */
  doubtful: boolean
}

/** Clocks differ in rate and an answer takes time, so a part of the TTL is not used. */
const usable = 0.95

export class HeldLock implements Lock, Losable {
  readonly #manager: LockManager
  readonly #acquisition: Acquisition
  readonly #ttlMs: number
  readonly #heldFrom = performance.now()
  #deadline: number
  #renewal: NodeJS.Timeout
  #expiry: NodeJS.Timeout | undefined
  #abort: AbortController | undefined
  #lost: string | undefined
  #released: Promise<void> | undefined

  constructor(manager: LockManager, acquisition: Acquisition) {
    this.#manager = manager
    this.#acquisition = acquisition
    this.#ttlMs = Math.min(...acquisition.request.ttlsMs)
    this.#deadline = acquisition.askedAt + this.#ttlMs * usable
    this.#renewal = this.#renewIn(renewEveryMs(this.#ttlMs))
    manager.instance.locks.add(this)
  }

  get keys(): readonly string[] {
    return this.#acquisition.request.keys
  }

  get owner(): string {
    return this.#acquisition.request.owner
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController() // made when asked for: most locks are held for a moment
      if (this.#lost) this.#abort.abort(lockLost(this.keys, this.#lost))
    }
    return this.#abort.signal
  }

  assertHeld(): void {
    const now = performance.now()
    if (now >= this.#deadline) this.lose('it was not renewed in time')
    else if (now >= this.#manager.instance.deadline())
      this.lose('the instance key of its process could not be renewed')
    if (this.#lost) throw lockLost(this.keys, this.#lost)
    if (this.#released) throw lockLost(this.keys, 'it was released before')
  }

  lose(reason: string): void {
    if (this.#lost || this.#released) return
    this.#lost = reason
    this.#stop()
    lockMetrics.lost(this.#acquisition.tally)
    this.#manager.onWarn('A lock was lost', { keys: this.keys, owner: this.owner, reason })
    this.#abort?.abort(lockLost(this.keys, reason))
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  async #release(): Promise<void> {
    const { request, tally, doubtful } = this.#acquisition
    this.#stop()
    lockMetrics.held(tally, performance.now() - this.#heldFrom)
    try {
      const whole = await release(this.#manager.redis, request)
      if (!whole && !this.#lost) lockMetrics.lost(tally)
      if (doubtful) this.#manager.releaseLater(request)
    } catch {
      this.#manager.releaseLater(request)
    }
  }

  #stop(): void {
    clearTimeout(this.#renewal)
    clearTimeout(this.#expiry)
    this.#manager.instance.locks.delete(this)
  }

  #renewIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#renew(), ms).unref()
  }

  /** Tried again until the deadline; another owner, or no key, ends the lock. */
  async #renew(): Promise<void> {
    const askedAt = performance.now()
    const leftMs = this.#deadline - askedAt
    if (leftMs <= 0) return this.lose('it was not renewed in time')
    this.#expiry ??= setTimeout(() => this.lose('it was not renewed in time'), leftMs).unref()
    const renewed = await renew(this.#manager.redis, this.#acquisition.request).catch(
      () => undefined,
    )
    if (this.#lost || this.#released) return
    if (renewed === false) return this.lose('its key is gone or another owns it')
    if (renewed) {
      clearTimeout(this.#expiry)
      this.#expiry = undefined
      this.#deadline = askedAt + this.#ttlMs * usable
    }
    this.#renewal = this.#renewIn(renewEveryMs(this.#ttlMs) / (renewed ? 1 : 5))
  }
}
