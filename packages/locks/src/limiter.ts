import { randomBytes } from 'node:crypto'
import { AppError, type RateLimitName, rateLimits, sendLimits } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import { type CallGrant, type CallLimit, takeCall } from './call-limit.ts'
import { clockOffset } from './clock-offset.ts'
import { LimiterUnavailable } from './errors.ts'
import { type Redis, script } from './redis.ts'
import {
  giveSlotsBack,
  lookAtSlots,
  type SendRequest,
  slotBooker,
  slowDown,
  type Unused,
} from './send-limit.ts'

interface SendSlots {
  /** When each POST may go out, in `performance.now()` ms, at most 1 s ahead. */
  slots: number[]
  /** Names each of them for `giveBack`. */
  ids: number[]
  /** Null when all were granted; else when to ask for the rest, in ms from now. */
  retryAfterMs: number | null
}

interface SendProspect {
  count: number
  /** Null when all would be granted; else when to ask again, in ms from now. */
  retryAfterMs: number | null
}

type LimitGrant = { ok: true } | { ok: false; retryAfterMs: number }

/** Shared by all processes. Each method throws `LimiterUnavailable` while Redis is away. */
export interface Limiter {
  /** Grants as many of `count` slots as fit; a slot that is not used stays used up. */
  takeSend(request: SendRequest): Promise<SendSlots>
  /** How many of `count` slots would be granted at this moment; books none. */
  lookSend(request: SendRequest): Promise<SendProspect>
  /** Returns slots in which certainly nothing was written, and the pairs booked for them. */
  giveBack(unused: Unused): Promise<void>
  /**
   * One message to a person in 6 s, sent within `aheadMs`: for each recipient null when the pair
   * is booked, or the ms until it can be.
   */
  takePair(
    connectionId: string,
    recipients: readonly string[],
    aheadMs?: number,
  ): Promise<(number | null)[]>
  /** Takes `count` (1) grants of a limit together, or none. */
  take(
    limit: Exclude<RateLimitName, 'whatsapp_api_rate_limit'>,
    id: string,
    count?: number,
  ): Promise<LimitGrant>
  /** Takes one call of all these limits together, or of none; answers in their order. */
  takeCall(limits: readonly CallLimit[]): Promise<CallGrant[]>
  /** Halves a connection's limits for a while, and pauses it for `retryAfterMs`. */
  reportThrottled(connectionId: string, retryAfterMs?: number): Promise<void>
}

const hits = counter('lockstep_rate_limit_hits', 'Requests that a rate limit cut short or refused')
const grants = counter('lockstep_rate_limit_grants', 'Grants of rate limits')
const throttled = counter(
  'lockstep_rate_limit_throttled',
  'Reports that Meta throttled a connection',
)

const takeGrantsScript = script(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window, count, nonce = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf') -- of a clock that was set back since
local over = redis.call('ZCARD', KEYS[1]) + count - limit
if over > 0 then
  local entry = redis.call('ZRANGE', KEYS[1], over - 1, over - 1, 'WITHSCORES')
  return math.max(1, math.ceil((entry[2] + window - now) / 1000))
end
for i = 1, count do redis.call('ZADD', KEYS[1], now, nonce .. ':' .. i) end
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return 0
`)

const pairScript = script(`
local waits = {}
for i, key in ipairs(KEYS) do
  local taken = redis.call('SET', key, '1', 'NX', 'PX', ARGV[1])
  waits[i] = taken and 0 or math.max(1, redis.call('PTTL', key))
end
return waits
`)

export interface LimiterOptions {
  redis: Redis
  /** Multiplies every time, for tests. */
  scale?: number
}

/** It keeps only its name for entries, and how the clocks differ. */
export function createLimiter({ redis, scale = 1 }: LimiterOptions): Limiter {
  const self = randomBytes(6).toString('base64url')
  let calls = 0
  const clock = clockOffset()
  const nonce = () => `${self}${(calls++).toString(36)}`
  const book = slotBooker(redis, scale, nonce)

  return {
    async takeSend(request) {
      checkSend(request)
      const { askedAt, nowUs, slotsUs, retryAfterMs } = await reach(book(request))
      const offsetMs = clock(askedAt, nowUs / 1000, performance.now())
      const labels = { limit: 'whatsapp_api_rate_limit', class: request.class }
      if (slotsUs.length > 0) grants(slotsUs.length, labels)
      if (retryAfterMs !== null) hits(1, labels)
      return { slots: slotsUs.map((us) => us / 1000 + offsetMs), ids: slotsUs, retryAfterMs }
    },

    async lookSend(request) {
      checkSend(request)
      const { slotsUs, retryAfterMs } = await reach(lookAtSlots(redis, request, scale))
      if (retryAfterMs !== null) hits(1, { limit: 'whatsapp_api_rate_limit', class: request.class })
      return { count: slotsUs.length, retryAfterMs }
    },

    async giveBack(unused) {
      if (unused.ids.length > 0) await reach(giveSlotsBack(redis, unused))
    },

    async takePair(connectionId, recipients, aheadMs = 0) {
      if (recipients.length === 0) return []
      const keys = recipients.map((recipient) => sendLimits.pair.key(connectionId, recipient))
      const waits = (await reach(
        pairScript(redis, keys, [Math.round(sendLimits.pair.perMs * scale + aheadMs)]),
      )) as number[]
      const refused = waits.filter((ms) => ms > 0).length
      if (refused > 0) hits(refused, { limit: 'whatsapp_pair_rate_limit', class: 'all' })
      return waits.map((ms) => (ms > 0 ? ms : null))
    },

    async take(name, id, count = 1) {
      const { key, limit, windowMs } = rateLimits[name]
      if (count < 1 || count > limit)
        throw new AppError('invalid', `${name} grants 1 to ${limit} at once, not ${count}`)
      const retryAfterMs = (await reach(
        takeGrantsScript(
          redis,
          [key(id)],
          [limit, Math.round(windowMs * scale * 1000), count, nonce()],
        ),
      )) as number
      const labels = { limit: name, class: 'all' }
      if (retryAfterMs > 0) hits(1, labels)
      else grants(count, labels)
      return retryAfterMs > 0 ? { ok: false, retryAfterMs } : { ok: true }
    },

    async takeCall(limits) {
      const given = await reach(takeCall(redis, limits, scale))
      for (const [i, { retryAfterMs }] of given.entries())
        if (retryAfterMs > 0) hits(1, { limit: limits[i]!.name, class: 'all' })
      return given
    },

    async reportThrottled(connectionId, retryAfterMs = 0) {
      throttled(1)
      await reach(slowDown(redis, connectionId, retryAfterMs, scale))
    },
  }
}

async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new LimiterUnavailable(cause)
  }
}

function checkSend({ perMinute, perSecond, count }: SendRequest): void {
  if ([perMinute, perSecond, count].every((n) => Number.isInteger(n) && n >= 1)) return
  throw new AppError(
    'invalid',
    `perMinute (${perMinute}), perSecond (${perSecond}) and count (${count}) have to be whole numbers from 1`,
  )
}
