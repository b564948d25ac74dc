import { rateLimits, sendLimits, slotHorizonMs } from '@lockstep/contracts'
import { type Redis, script } from './redis.ts'

/** Who sends: a person, a bot that answers, or a campaign. The first two are replies and have a reserve. */
export type SendClass = 'agent' | 'bot' | 'bulk'

export interface SendRequest {
  connectionId: string
  /** The connection's limit in any minute, from 1 up to what Meta grants it. */
  perMinute: number
  /** The connection's limit in any second, at least 1. */
  perSecond: number
  class: SendClass
  /** How many slots are wanted. */
  count: number
}

/** Slots in Redis time, in µs; `retryAfterMs` is null when as many were granted as were wanted. */
export interface SendGrant {
  nowUs: number
  slotsUs: number[]
  retryAfterMs: number | null
}

/**
 * What distinguishes the classes. A class that books less far ahead leaves the later part of the second to those before
 * it, so agents come before bots and bots before campaigns where they share; bots leave a part of the reserve to agents.
 */
const classes: Record<SendClass, { horizonMs: number; reserveShare: number }> = {
  agent: { horizonMs: slotHorizonMs, reserveShare: 1 },
  bot: { horizonMs: slotHorizonMs * 0.75, reserveShare: 0.75 },
  bulk: { horizonMs: slotHorizonMs * 0.5, reserveShare: 0 },
}

/** A connection that Meta throttled: each report halves its limits, each quiet period doubles them again. */
const backoff = {
  /** Messages in flight are throttled together: reports this soon after one that counted are the same event. */
  sameEventMs: 5_000,
  recoverEveryMs: 30_000,
  /** Down to a 32nd, but never below one message a second and ten a minute. */
  maxHalvings: 5,
  leastPerSecond: 1,
  leastPerMinute: 10,
} as const

/*
 * A slot is charged to a minute log (shared or reserve) and to a second (shared or reserve), each time to the one that is
 * free sooner; bulk has the shared ones only. A log of n grants is free one window after its n-th newest entry: since
 * entries may lie ahead, that bounds every window that holds the slot, whatever was granted in between.
 * The shared part of the second is not a log but a pace: a burst of 80 at once, sent with a little jitter, could meet the
 * burst of the next second. The second's key holds "tidied at, last paced slot, reserve slots …", all times are in µs.
 */
const takeScript = script(`
local horizon, count, perMinute, perSecond = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local minuteWindow, secondWindow, reserveShare, nonce = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local recoverEvery, furthest, isReply = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[7]) > 0
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('MGET', KEYS[3], KEYS[4])

local function numbers(text)
  local list = {}
  for number in string.gmatch(text or '', '%S+') do list[#list + 1] = tonumber(number) end
  return list
end

local notBefore = now
if state[2] then
  local slow = numbers(state[2])
  local halvings = math.max(0, slow[1] - math.floor(math.max(0, now - slow[2]) / recoverEvery))
  perMinute = math.max(math.min(perMinute, ${backoff.leastPerMinute}), math.floor(perMinute / 2 ^ halvings))
  perSecond = math.max(${backoff.leastPerSecond}, math.floor(perSecond / 2 ^ halvings))
  notBefore = math.max(now, slow[3])
end

-- What is left over of a clock that was set back since lies past the horizon, and would block for as long as that.
local second = numbers(state[1])
local tidiedAt, paced, replies = second[1] or 0, second[2] or 0, {}
if paced > now + furthest then paced = 0 end
for i = 3, #second do
  if second[i] > now - secondWindow and second[i] <= now + furthest then replies[#replies + 1] = second[i] end
end
local tidyEvery = minuteWindow / 16
local tidy = now < tidiedAt or now > tidiedAt + tidyEvery
if tidy then
  for i = 1, 2 do
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now - minuteWindow)
    redis.call('ZREMRANGEBYSCORE', KEYS[i], now + furthest + 1, '+inf')
  end
end

-- A log is read once: all the entries that up to count more slots can make its n-th newest.
local function open(key, limit)
  local log = { key = key, limit = limit, old = {}, taken = {}, add = { key }, last = math.min(count - limit, 0) - 1 }
  if limit > 0 then log.old = redis.call('ZRANGE', key, -limit, log.last, 'WITHSCORES') end
  return log
end
local function freeAt(log)
  local taken, entry = #log.taken
  if log.limit < 1 then return math.huge end
  if taken >= log.limit then
    entry = log.taken[taken - log.limit + 1]
  else
    entry = log.old[#log.old - 2 * (log.last + log.limit - taken)]
  end
  return entry and entry + minuteWindow or 0
end

local function reserved(limit, share)
  return limit < 2 and 0 or math.max(1, math.floor(limit * share + 1e-9))
end
local minuteReserve = reserved(perMinute, ${sendLimits.reserve.share})
local secondReserve = reserved(perSecond, ${sendLimits.perSecond.replyShare})
local pace = math.ceil(secondWindow / (perSecond - secondReserve))
local secondMine = math.floor(secondReserve * reserveShare)
local function replyFreeAt()
  if secondMine < 1 then return math.huge end
  local entry = replies[#replies + 1 - secondMine]
  return entry and entry + secondWindow or 0
end

local shared = open(KEYS[1], perMinute - minuteReserve)
local reserve = isReply and open(KEYS[2], math.floor(minuteReserve * reserveShare)) or nil
local slots, at = {}, now
while #slots < count do
  local log, minuteAt, secondAt, fromReserve = shared, freeAt(shared), paced + pace, false
  if isReply then
    local reserveAt = freeAt(reserve)
    if reserveAt <= math.max(now, minuteAt) then log, minuteAt = reserve, reserveAt end
    local replyAt = replyFreeAt()
    if replyAt <= math.max(now, minuteAt, secondAt) then secondAt, fromReserve = replyAt, true end
  end
  at = math.max(notBefore, minuteAt, secondAt)
  if at > now + horizon then break end
  if fromReserve then
    replies[#replies + 1] = at
    table.sort(replies)
  else
    paced = at
  end
  log.taken[#log.taken + 1] = at
  log.add[#log.add + 1] = at
  log.add[#log.add + 1] = nonce .. ':' .. #slots
  slots[#slots + 1] = at
end

if #slots > 0 then
  local keep = math.ceil((minuteWindow + 2 * tidyEvery + furthest) / 1000)
  for _, log in ipairs({ shared, reserve }) do
    if #log.taken > 0 then redis.call('ZADD', unpack(log.add)) end
    if #log.old == 0 then redis.call('PEXPIRE', log.key, keep) end -- it may be new
  end
  if tidy then
    tidiedAt = now
    redis.call('PEXPIRE', KEYS[1], keep)
    redis.call('PEXPIRE', KEYS[2], keep)
  end
  local text = string.format('%.0f %.0f', tidiedAt, paced)
  for _, reply in ipairs(replies) do text = text .. string.format(' %.0f', reply) end
  redis.call('SET', KEYS[3], text, 'PX', keep)
end
local retryAfter = #slots < count and math.max(1, math.ceil((at - now - horizon / 2) / 1000)) or -1
return { now, retryAfter, unpack(slots) }
`)

const throttledScript = script(`
local sameEvent, recoverEvery, retryAfter = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local halvings, at, notBefore = string.match(redis.call('GET', KEYS[1]) or '0 0 0', '(%S+) (%S+) (%S+)')
halvings, at = tonumber(halvings), tonumber(at)
if now < at or now - at >= sameEvent then -- the first: the clock was set back
  halvings = math.min(${backoff.maxHalvings}, math.max(0, halvings - math.floor(math.max(0, now - at) / recoverEvery)) + 1)
  at = now
end
notBefore = math.max(tonumber(notBefore), now + retryAfter)
local keep = math.ceil(math.max(at + halvings * recoverEvery - now, notBefore - now) / 1000)
redis.call('SET', KEYS[1], string.format('%d %.0f %.0f', halvings, at, notBefore), 'PX', keep)
`)

/** A script takes at most this many slots a call: a second never holds more than a few hundred, and Redis serves others meanwhile. */
const maxSlotsACall = 500

/** Books slots of a connection on the clock of Redis. */
export async function takeSlots(redis: Redis, request: SendRequest, scale: number, nonce: string): Promise<SendGrant> {
  const { connectionId, perMinute, perSecond } = request
  const { horizonMs, reserveShare } = classes[request.class]
  const us = (ms: number) => Math.round(ms * scale * 1000)
  const keys = [
    rateLimits.whatsapp_api_rate_limit.key(connectionId),
    sendLimits.reserve.key(connectionId),
    sendLimits.perSecond.key(connectionId),
    sendLimits.backoff.key(connectionId),
  ]
  const [nowUs, retryAfterMs, ...slotsUs] = (await takeScript(redis, keys, [
    us(horizonMs),
    Math.min(request.count, maxSlotsACall),
    perMinute,
    perSecond,
    us(rateLimits.whatsapp_api_rate_limit.windowMs),
    us(sendLimits.perSecond.windowMs),
    reserveShare,
    nonce,
    us(backoff.recoverEveryMs),
    us(slotHorizonMs),
  ])) as [number, number, ...number[]]
  const more = slotsUs.length < request.count ? Math.max(1, retryAfterMs) : null
  return { nowUs, slotsUs, retryAfterMs: more }
}

/** Slows a connection down for all processes. */
export async function slowDown(redis: Redis, connectionId: string, retryAfterMs: number, scale: number): Promise<void> {
  const args = [backoff.sameEventMs, backoff.recoverEveryMs].map((ms) => Math.round(ms * scale * 1000))
  await throttledScript(redis, [sendLimits.backoff.key(connectionId)], [...args, Math.round(retryAfterMs * 1000)])
}
