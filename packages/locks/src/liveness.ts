import { instances, type Liveness } from '@lockstep/contracts'
import { type Redis, script } from './redis.ts'

/** A life with the means to keep it. */
export interface OwnLiveness extends Liveness {
  /** Renews the key; false when it was gone. */
  renew(ttlMs: number): Promise<boolean>
  close(): Promise<void>
}

const now = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

const renewScript = script(`
local known = redis.call('SET', KEYS[1], '1', 'PX', ARGV[1], 'GET') and 1 or 0
if ARGV[2] == '' then return { known, '' } end
${now}
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return { known, redis.call('GET', KEYS[4]) or '', unpack(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[4], 'LIMIT', 0, 100)) }
`)

const declareDeadScript = script(`
local seenAt = redis.call('ZSCORE', KEYS[2], ARGV[1])
${now}
if not seenAt or now - seenAt < tonumber(ARGV[2]) then return false end
local deliveries = redis.call('SMEMBERS', KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('SET', KEYS[4], now, 'PX', ARGV[3])
return deliveries
`)

const redisKeysOf = (id: string) => [
  instances.key(id),
  instances.listKey,
  instances.deliveriesKey(id),
  instances.deadKey(id),
]

/** The life of a process that has this id from now on; `renewSoon` has its key renewed at once. */
export function openLiveness(
  redis: Redis,
  id: string,
  scale: number,
  renewSoon: () => void,
): OwnLiveness {
  return new ProcessLiveness(redis, id, scale, renewSoon)
}

class ProcessLiveness implements OwnLiveness {
  readonly id: string
  readonly #redis: Redis
  readonly #scale: number
  readonly #renewSoon: () => void
  readonly #noteTtlMs: number
  readonly #deliveriesKey: string
  readonly #certainty: Certainty
  readonly #lostListeners = new Set<(reason: string) => void>()
  readonly #followers = new Set<(silent: readonly string[]) => void>()
  #isFollowed = false
  #diedAt = ''

  constructor(redis: Redis, id: string, scale: number, renewSoon: () => void) {
    this.id = id
    this.#redis = redis
    this.#scale = scale
    this.#renewSoon = renewSoon
    this.#noteTtlMs = Math.round(instances.noteTtlMs * scale)
    this.#deliveriesKey = instances.deliveriesKey(id)
    this.#certainty = new Certainty(scale)
  }

  certainForMs(): number {
    return this.#certainty.forMs()
  }

  certain(): Promise<void> {
    return this.#certainty.wait()
  }

  onLost(fn: (reason: string) => void): Disposable {
    this.#lostListeners.add(fn)
    return { [Symbol.dispose]: () => void this.#lostListeners.delete(fn) }
  }

  follow(fn: (silent: readonly string[]) => void): Disposable {
    this.#isFollowed = true
    this.#followers.add(fn)
    this.#renewSoon()
    return { [Symbol.dispose]: () => void this.#followers.delete(fn) }
  }

  answered(sentAt: number): void {
    this.#certainty.confirm(sentAt)
  }

  disconnected(): void {
    this.#certainty.disconnected()
  }

  addDelivery(subject: string): void {
    this.#redis.sadd(this.#deliveriesKey, subject).catch(() => undefined)
  }

  removeDelivery(subject: string): void {
    this.#redis.srem(this.#deliveriesKey, subject).catch(() => undefined)
  }

  async declareDead(other: string, silentMs: number): Promise<string[] | null> {
    const args = [other, Math.round(silentMs * this.#scale), this.#noteTtlMs]
    return (await declareDeadScript(this.#redis, redisKeysOf(other), args)) as string[] | null
  }

  async renew(ttlMs: number): Promise<boolean> {
    const askedAt = performance.now()
    const askAfterMs = Math.round(instances.askAfterMs * this.#scale)
    const args = [ttlMs, this.#isFollowed ? this.id : '', this.#noteTtlMs, askAfterMs]
    if (this.#isFollowed) this.#certainty.list(askedAt)
    const answer = await renewScript(this.#redis, redisKeysOf(this.id), args)
    const [known, dead, ...silent] = answer as [number, string, ...string[]]
    if (dead !== this.#diedAt && dead !== '')
      for (const fn of [...this.#lostListeners])
        fn('this process was silent, and was taken for dead')
    this.#diedAt = dead
    this.#certainty.extend(askedAt, instances.silentMs)
    for (const fn of this.#followers) fn(silent)
    return known === 1
  }

  async close(): Promise<void> {
    this.#certainty.endWait()
    // Without it they go by themselves.
    await this.#redis
      .multi()
      .zrem(instances.listKey, this.id)
      .del(instances.key(this.id), this.#deliveriesKey)
      .exec()
      .catch(() => undefined)
  }
}

/** How long a process may be sure that nobody takes it for dead. */
class Certainty {
  /** What all times are multiplied by. */
  readonly #factor: number
  #isListed = false
  #until = Number.NEGATIVE_INFINITY
  #wasDisconnected = false
  #waiting: PromiseWithResolvers<void> | undefined

  constructor(scale: number) {
    this.#factor = scale * instances.usable
  }

  /** Nobody can declare a process dead that was never listed. */
  forMs(): number {
    return this.#isListed ? this.#until - performance.now() : Number.POSITIVE_INFINITY
  }

  wait(): Promise<void> {
    if (this.forMs() > 0) return Promise.resolve()
    this.#waiting ??= Promise.withResolvers()
    return this.#waiting.promise
  }

  endWait(): void {
    this.#waiting?.resolve()
  }

  /** The process is about to be listed for the first time. */
  list(askedAt: number): void {
    if (!this.#isListed) this.extend(askedAt, instances.silentMs)
    this.#isListed = true
  }

  extend(heardAt: number, ms: number): void {
    this.#wasDisconnected = false
    this.#until = Math.max(this.#until, heardAt + ms * this.#factor)
    if (this.forMs() <= 0) return
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** An answer to a question that was sent at this time. */
  confirm(sentAt: number): void {
    const unheardMs = sentAt - this.#until
    const sparedMs = (instances.unansweredMs - instances.silentMs) * this.#factor
    // After a gap an answer proves life in the gap only on the same connection, and only while a
    // stopped process would have been spared.
    if (unheardMs > 0 && (this.#wasDisconnected || unheardMs > sparedMs)) return
    this.extend(sentAt, instances.confirmMs)
  }

  disconnected(): void {
    this.#wasDisconnected = true
  }
}
