import { rateLimits, sendLimits, slotHorizonMs } from '@lockstep/contracts'
import { type Script, script } from './redis.ts'

/** A person, a bot that answers, or a campaign; the first two have a reserve. */
export type SendClass = 'agent' | 'bot' | 'bulk'

/** How far ahead a class books, and its part of the reserve: agents come first. */
const classes: Record<SendClass, { horizonMs: number; reserveShare: number }> = {
  agent: { horizonMs: slotHorizonMs, reserveShare: 1 },
  bot: { horizonMs: slotHorizonMs * 0.75, reserveShare: 0.75 },
  bulk: { horizonMs: slotHorizonMs * 0.5, reserveShare: 0 },
}

/** Each report halves a connection's limits, each period without one doubles them again. */
export const backoff = {
  /** Reports this soon after one that counted are the same event. */
  sameEventMs: 5_000,
  recoverEveryMs: 30_000,
  /** Down to a 32nd, but never below one message a second and ten a minute. */
  maxHalvings: 5,
  leastPerSecond: 1,
  leastPerMinute: 10,
} as const

/** A key in Lua, made of the variable `id`. */
const keyOf = (key: (id: string) => string): string => {
  const [before, after] = key('\0').split('\0')
  return after ? `'${before}' .. id .. '${after}'` : `'${before}' .. id`
}

/** Times in µs; a window never changes, so it is no argument of a call. */
function times(scale: number): string {
  const us = (ms: number) => Math.round(ms * scale * 1000)
  const minute = us(rateLimits.whatsapp_api_rate_limit.windowMs)
  const horizons = Object.entries(classes).map(
    ([name, { horizonMs }]) => `${name} = ${us(horizonMs)}`,
  )
  const shares = Object.entries(classes).map(
    ([name, { reserveShare }]) => `${name} = ${reserveShare}`,
  )
  return `
local minuteWindow, secondWindow, furthest = ${minute}, ${us(sendLimits.perSecond.windowMs)}, ${us(slotHorizonMs)}
local recoverEvery, tidyEvery, keep = ${us(backoff.recoverEveryMs)}, ${minute / 16}, ${Math.ceil((minute * 1.125 + us(slotHorizonMs)) / 1000)}
local horizons, shares = { ${horizons.join(', ')} }, { ${shares.join(', ')} }`
}

/*
 * A slot is charged to a minute log (shared or reserve) and to a second (shared or reserve), each time to the one that is
 * free sooner; bulk has the shared ones only. A log of n grants is free one window after its n-th newest entry: since
 * entries may lie ahead, that bounds every window that holds the slot, whatever was granted in between.
 * The shared part of the second is not a log but a pace: a burst of 80 at once, sent with a little jitter, could meet the
 * burst of the next second. All times are in µs. The second's key holds doubles: tidied at, last paced slot, at most so many
 * entries in the minute's log, and in its reserve, reply slots … . A log that can't be full is not read.
 * One call books for several connections: KEYS are their minutes, ARGV a nonce and `class, count, minute, second` for each. A class with
 * a question mark before it only asks what would be booked.
 */
const takeLua = (scale: number): string => `
local call, floor, ceil, max, min, format = redis.call, math.floor, math.ceil, math.max, math.min, string.format
${times(scale)}
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local nonce, booked = ARGV[1], 0

local function limitsNow(slow, perMinute, perSecond)
  local halved, at, notBefore = string.match(slow, '(%S+) (%S+) (%S+)')
  local halvings = max(0, halved - floor(max(0, now - at) / recoverEvery))
  return max(min(perMinute, ${backoff.leastPerMinute}), floor(perMinute / 2 ^ halvings)),
    max(${backoff.leastPerSecond}, floor(perSecond / 2 ^ halvings)), max(now, tonumber(notBefore))
end

-- What is left over of a clock that was set back since lies past the horizon, and would block for as long as that.
local function tidied(key, entries, isKnown)
  if isKnown and entries == 0 then return 0 end
  call('ZREMRANGEBYSCORE', key, '-inf', now - minuteWindow)
  if not isKnown then call('ZREMRANGEBYSCORE', key, now + furthest + 1, '+inf') end
  call('PEXPIRE', key, keep)
  return call('ZCARD', key)
end
local function read(packed)
  if not packed then return 0, 0, 0, 0, {} end
  local tidiedAt, paced, entries, reserveEntries = struct.unpack('<dddd', packed)
  local replies = {}
  for i = 33, #packed, 8 do
    local reply = struct.unpack('<d', packed, i)
    if reply > now - secondWindow and reply <= now + furthest then replies[#replies + 1] = reply end
  end
  return tidiedAt, paced > now + furthest and 0 or paced, entries, reserveEntries, replies
end

-- A log is read once: all the entries that up to count more slots can make its n-th newest. Of one that can't be full, none.
local function open(key, limit, entries, count)
  local log = { key = key, limit = limit, entries = entries, n = 0 }
  if limit > 0 and entries + count > limit then
    log.last, log.taken = min(count - limit, 0) - 1, {}
    log.old = call('ZRANGE', key, -limit, log.last, 'WITHSCORES')
  end
  return log
end
local function freeAt(log)
  local limit, n, entry = log.limit, log.n
  if limit < 1 then return math.huge end
  if not log.old then return 0 end
  if n >= limit then
    entry = log.taken[n - limit + 1]
  else
    entry = log.old[#log.old - 2 * (log.last + limit - n)]
  end
  return entry and entry + minuteWindow or 0
end
local function charge(log, at)
  local n, args = log.n, log.args
  if n == 0 then
    args = { 'ZADD', log.key }
    log.args = args
  end
  if log.taken then log.taken[n + 1] = at end
  log.n, booked = n + 1, booked + 1
  args[2 * n + 3], args[2 * n + 4] = format('%d', at), nonce .. booked
end
local function write(log)
  if log.n == 0 then return end
  call(unpack(log.args))
  if log.entries == 0 then call('PEXPIRE', log.key, keep) end -- it is new
end

local function reserved(limit, share)
  return limit < 2 and 0 or max(1, floor(limit * share + 1e-9))
end

-- Gives { retry after, in ms, or -1; slots from now … } and the second's new text.
local function take(key, id, packed, slow, class, count, perMinute, perSecond)
  local isQuestion = string.sub(class, 1, 1) == '?'
  if isQuestion then class = string.sub(class, 2) end
  local horizon, share, notBefore = horizons[class], shares[class], now
  if slow then perMinute, perSecond, notBefore = limitsNow(slow, perMinute, perSecond) end
  local tidiedAt, paced, entries, reserveEntries, replies = read(packed)
  local reserveKey, isKnown = ${keyOf(sendLimits.reserve.key)}, packed and now >= tidiedAt
  local tidy = not isKnown or now > tidiedAt + tidyEvery
  if tidy then
    tidiedAt, entries, reserveEntries = now, tidied(key, entries, isKnown), tidied(reserveKey, reserveEntries, isKnown)
  end
  local minuteReserve, secondReserve = reserved(perMinute, ${sendLimits.reserve.share}), reserved(perSecond, ${sendLimits.perSecond.replyShare})
  local pace, secondMine = ceil(secondWindow / (perSecond - secondReserve)), floor(secondReserve * share)
  local shared = open(key, perMinute - minuteReserve, entries, count)
  local reserve = share > 0 and open(reserveKey, floor(minuteReserve * share), reserveEntries, count)
  local reply, n, at = { -1 }, 0, now
  while n < count do
    local log, minuteAt, secondAt, isFromReserve = shared, freeAt(shared), paced + pace, false
    if reserve then
      local reserveAt = freeAt(reserve)
      if reserveAt <= max(now, minuteAt) then log, minuteAt = reserve, reserveAt end
      local entry = replies[#replies + 1 - secondMine]
      local replyAt = secondMine < 1 and math.huge or entry and entry + secondWindow or 0
      if replyAt <= max(now, minuteAt, secondAt) then secondAt, isFromReserve = replyAt, true end
    end
    at = max(notBefore, minuteAt, secondAt)
    if at > now + horizon then break end
    if isFromReserve then
      replies[#replies + 1] = at
      table.sort(replies)
    else
      paced = at
    end
    charge(log, at)
    n = n + 1
    reply[n + 1] = at - now
  end
  if n < count then reply[1] = max(1, ceil((at - now - horizon / 2) / 1000)) end
  if isQuestion or (n == 0 and not tidy) then return reply, packed end

  write(shared)
  if reserve then write(reserve) end
  local second = struct.pack('<dddd', tidiedAt, paced, entries + shared.n, reserveEntries + (reserve and reserve.n or 0))
  for i = 1, #replies do second = second .. struct.pack('<d', replies[i]) end
  if tidy then
    call('SET', ${keyOf(sendLimits.perSecond.key)}, second, 'PX', keep)
  else
    call('SET', ${keyOf(sendLimits.perSecond.key)}, second, 'KEEPTTL')
  end
  return reply, second
end

local ids, wanted, seconds, answer = {}, {}, {}, { now }
for i = 1, #KEYS do
  local id = string.sub(KEYS[i], ${rateLimits.whatsapp_api_rate_limit.key('').length + 1})
  ids[i], wanted[2 * i - 1], wanted[2 * i] = id, ${keyOf(sendLimits.perSecond.key)}, ${keyOf(sendLimits.backoff.key)}
end
local states = call('MGET', unpack(wanted))
for i = 1, #KEYS do
  local id, a = ids[i], 4 * i - 2
  local packed = seconds[id] or states[2 * i - 1] -- a connection may be asked for twice
  answer[i + 1], seconds[id] =
    take(KEYS[i], id, packed, states[2 * i], ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]))
end
return answer
`

/**
 * Takes slots out of the minute's logs; a log's last entry ages instead, for it keeps the key's
 * expiry. The other keys are pairs.
 */
export const giveBackScript = script(`
for _, at in ipairs(ARGV) do
  for i = 1, 2 do
    local found = redis.call('ZRANGEBYSCORE', KEYS[i], at, at, 'LIMIT', 0, 1)
    if found[1] then
      local key = KEYS[i]
      if redis.call('ZCARD', key) > 1 then redis.call('ZREM', key, found[1]) else redis.call('ZADD', key, 0, found[1]) end
      break
    end
  end
end
for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end
`)

const bookSlotsScripts = new Map<number, Script>()

/** The script that books slots, with its times; tests use others than production. */
export function bookSlotsScript(scale: number): Script {
  const made = bookSlotsScripts.get(scale) ?? script(takeLua(scale))
  bookSlotsScripts.set(scale, made)
  return made
}

export const throttledScript = script(`
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
