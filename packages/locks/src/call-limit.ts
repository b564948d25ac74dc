import { callLimits } from '@lockstep/contracts'
import { type Redis, script } from './redis.ts'

/** A limit that a call counts against. */
export interface CallLimit {
  name: keyof typeof callLimits
  id: string
  /** The most calls in any minute. */
  perMinute: number
}

/** How one limit of a call stands after it. */
export interface CallGrant {
  /** Calls that would be granted at this moment. */
  remaining: number
  /** When as many are granted as ever are at once, in ms from now. */
  resetMs: number
  /** 0 when it was granted; else when to ask again, in ms from now. */
  retryAfterMs: number
}

const minuteMs = 60_000

/**
 * GCRA, one text a key: the time at which all its calls are worked off. A call that one limit
 * refuses counts against none. A key from a clock that was set back is cut to its longest.
 */
const takeCallScript = script(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local offs, grants, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local every, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local off = math.max(0, math.min((tonumber(redis.call('GET', key)) or now) - now, burst))
  local over = off + every - burst
  offs[i] = off + every
  if over > 0 then refused = true end
  grants[i] = { every, burst, off, math.max(0, over) }
end
local answer = {}
for i, key in ipairs(KEYS) do
  local every, burst, off, over = unpack(grants[i])
  if not refused then
    off = offs[i]
    redis.call('SET', key, string.format('%.0f', now + off), 'PX', math.ceil(off / 1000))
  end
  answer[i] = { math.floor((burst - off) / every), math.ceil(off), math.ceil(over) }
end
return answer
`)

/**
 * At once a quarter of a minute's calls, then as many a second as make the other three quarters:
 * no minute holds more than the limit.
 */
function paceOf(perMinute: number, scale: number): { everyUs: number; burstUs: number } {
  const burst = Math.max(1, Math.floor(perMinute * callBurstShare))
  const everyUs = Math.ceil((minuteMs * 1000 * scale) / Math.max(1, perMinute - burst))
  return { everyUs, burstUs: everyUs * burst }
}

const callBurstShare = 0.25

/** Takes one call of all limits, or of none; answers in their order. */
export async function takeCall(
  redis: Redis,
  limits: readonly CallLimit[],
  scale: number,
): Promise<CallGrant[]> {
  const keys = limits.map(({ name, id }) => callLimits[name].key(id))
  const paces = limits.map(({ perMinute }) => paceOf(perMinute, scale))
  const args = paces.flatMap(({ everyUs, burstUs }) => [everyUs, burstUs])
  const answers = (await takeCallScript(redis, keys, args)) as [number, number, number][]
  return answers.map(([remaining, resetUs, waitUs]) => ({
    remaining,
    resetMs: resetUs / 1000,
    retryAfterMs: waitUs / 1000,
  }))
}
