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

/** The life of a process that has this id from now on; `renewSoon` has its key renewed at once. */
export function openLiveness(
  redis: Redis,
  id: string,
  scale: number,
  renewSoon: () => void,
): OwnLiveness {
  const { usable } = instances
  const noteTtlMs = Math.round(instances.noteTtlMs * scale)
  const redisKeysOf = (of: string) => [
    instances.key(of),
    instances.listKey,
    instances.deliveriesKey(of),
    instances.deadKey(of),
  ]
  const deliveriesKey = instances.deliveriesKey(id)
  const lostListeners = new Set<(reason: string) => void>()
  const followers = new Set<(silent: readonly string[]) => void>()
  let isFollowed = false
  let isListed = false
  let diedAt = ''
  let certainUntil = Number.NEGATIVE_INFINITY
  let wasDisconnected = false
  let waiting: PromiseWithResolvers<void> | undefined

  /** Nobody can declare a process dead that was never listed. */
  const certainForMs = () =>
    isListed ? certainUntil - performance.now() : Number.POSITIVE_INFINITY

  function certainFrom(heardAt: number, ms: number): void {
    wasDisconnected = false
    certainUntil = Math.max(certainUntil, heardAt + ms * scale * usable)
    if (certainForMs() <= 0) return
    waiting?.resolve()
    waiting = undefined
  }

  return {
    id,
    certainForMs,
    certain() {
      if (certainForMs() > 0) return Promise.resolve()
      waiting ??= Promise.withResolvers()
      return waiting.promise
    },
    onLost(fn) {
      lostListeners.add(fn)
      return { [Symbol.dispose]: () => void lostListeners.delete(fn) }
    },
    follow(fn) {
      isFollowed = true
      followers.add(fn)
      renewSoon()
      return { [Symbol.dispose]: () => void followers.delete(fn) }
    },
    answered(sentAt) {
      const unheardMs = sentAt - certainUntil
      // After a gap an answer proves life in the gap only on the same connection, and only while a
      // stopped process would have been spared.
      if (
        unheardMs > 0 &&
        (wasDisconnected ||
          unheardMs > (instances.unansweredMs - instances.silentMs) * scale * usable)
      )
        return
      certainFrom(sentAt, instances.confirmMs)
    },
    disconnected() {
      wasDisconnected = true
    },
    addDelivery: (subject) => void redis.sadd(deliveriesKey, subject).catch(() => undefined),
    removeDelivery: (subject) => void redis.srem(deliveriesKey, subject).catch(() => undefined),
    async declareDead(other, silentMs) {
      return (await declareDeadScript(redis, redisKeysOf(other), [
        other,
        Math.round(silentMs * scale),
        noteTtlMs,
      ])) as string[] | null
    },
    async renew(ttlMs) {
      const askedAt = performance.now()
      const args = [
        ttlMs,
        isFollowed ? id : '',
        noteTtlMs,
        Math.round(instances.askAfterMs * scale),
      ]
      if (isFollowed && !isListed) certainFrom(askedAt, instances.silentMs)
      isListed = isFollowed
      const [known, dead, ...silent] = (await renewScript(redis, redisKeysOf(id), args)) as [
        number,
        string,
        ...string[],
      ]
      if (dead !== diedAt && dead !== '')
        for (const fn of [...lostListeners]) fn('this process was silent, and was taken for dead')
      diedAt = dead
      certainFrom(askedAt, instances.silentMs)
      for (const fn of followers) fn(silent)
      return known === 1
    },
    async close() {
      waiting?.resolve()
      // Without it they go by themselves.
      await redis
        .multi()
        .zrem(instances.listKey, id)
        .del(instances.key(id), deliveriesKey)
        .exec()
        .catch(() => undefined)
    },
  }
}
