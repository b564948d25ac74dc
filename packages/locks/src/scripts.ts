import { instances } from '@lockstep/contracts'
import { type Redis, script } from './redis.ts'

/** What one hold asks for: sorted keys without repeats, one TTL (ms) a key, and an owner that nobody else has. */
export interface Request {
  owner: string
  keys: readonly string[]
  ttlsMs: readonly number[]
}

/** Where a process is alive: others may take over the locks of an instance whose key is gone. */
export interface InstanceKey {
  key: string
  ttlMs: number
}

export type AcquireReply =
  | { held: true; instanceKnown: boolean; takenOver: readonly number[] }
  | { held: false; index: number; sinceMs: number | null }

/** `get(n)`: the values of the first n keys. Lua's stack holds 8,000 values, and a hold may have more keys. */
const getScript = `
local function get(n)
  if n <= 5000 then return redis.call('MGET', unpack(KEYS, 1, n)) end
  local values = {}
  for from = 1, n, 5000 do
    for _, value in ipairs(redis.call('MGET', unpack(KEYS, from, math.min(from + 4999, n)))) do values[#values + 1] = value end
  end
  return values
end
`

/** TTLs go as runs, `ttl, last key, ttl, last key, …, ttl`: keys in lock order have few different ones, and each argument costs. */
const ttlScript = `
local run, last = 0, 0
local function ttl(i)
  if i > last then
    run = run == 0 and FIRST_TTL or run + 2
    last = tonumber(ARGV[run + 1]) or #KEYS
  end
  return ARGV[run]
end
`

/*
 * The value of a lock is `{instance}:{random}@{acquired at, ms, Redis time}`; the part before the @ is its owner. A value of
 * another form belongs to a stranger and is left alone until it expires. All keys or none. Acquiring also sets the
 * instance key: right after a FLUSHALL our fresh locks would look like those of a dead process. One key that is free needs no look first.
 */
const acquireScript = script(`
local n, owner = #KEYS - 1, ARGV[1]
local time = redis.call('TIME')
local value = owner .. '@' .. time[1] .. string.sub(time[2] + 1000000, 2, 4)
if n == 1 and redis.call('SET', KEYS[1], value, 'NX', 'PX', ARGV[3]) then
  if redis.call('SET', KEYS[2], '1', 'PX', ARGV[2], 'GET') then return 1 end
  return { 1, 0, {} }
end
${getScript}${ttlScript.replace('FIRST_TTL', '3')}
local values = {}
if n == 1 or n > 5000 or redis.call('EXISTS', unpack(KEYS, 1, n)) > 0 then values = get(n) end
local takenOver = {}
for i = 1, n do
  local held = values[i]
  if held and string.find(held, owner .. '@', 1, true) ~= 1 then
    local instance, since = string.match(held, '^(.+):%x+@(%d+)$')
    if not instance or redis.call('EXISTS', '${instances.key('')}' .. instance) == 1 then
      return { 0, i, since or '' }
    end
    takenOver[#takenOver + 1] = i
    values[i] = false
  end
end
for i = 1, n do
  if values[i] then
    redis.call('PEXPIRE', KEYS[i], ttl(i))
  else
    redis.call('SET', KEYS[i], value, 'PX', ttl(i))
  end
end
local known = redis.call('SET', KEYS[n + 1], '1', 'PX', ARGV[2], 'GET')
if known and #takenOver == 0 then return 1 end
return { 1, known and 1 or 0, takenOver }
`)

const renewScript = script(`${getScript}${ttlScript.replace('FIRST_TTL', '2')}
local owner = ARGV[1] .. '@'
for _, value in ipairs(get(#KEYS)) do
  if not value or string.find(value, owner, 1, true) ~= 1 then return 0 end
end
for i, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl(i)) end
return 1
`)

const releaseScript = script(`
local owner = ARGV[1] .. '@'
if #KEYS == 1 then
  local value = redis.call('GET', KEYS[1])
  return value and string.find(value, owner, 1, true) == 1 and redis.call('DEL', KEYS[1]) or 0
end
${getScript}
local own = {}
for i, value in ipairs(get(#KEYS)) do
  if value and string.find(value, owner, 1, true) == 1 then own[#own + 1] = KEYS[i] end
end
for from = 1, #own, 5000 do redis.call('DEL', unpack(own, from, math.min(from + 4999, #own))) end
return #own
`)

function runs(ttlsMs: readonly number[]): readonly number[] {
  if (ttlsMs.length === 1) return ttlsMs
  const found: number[] = []
  for (const [i, ttlMs] of ttlsMs.entries()) if (i === 0 || ttlMs !== ttlsMs[i - 1]) found.push(...(i === 0 ? [] : [i]), ttlMs)
  return found
}

/** Takes all keys or none in one round trip. The same owner may ask again: it then holds them for a full TTL from now. */
export async function acquire(redis: Redis, { owner, keys, ttlsMs }: Request, instance: InstanceKey): Promise<AcquireReply> {
  const answer = await acquireScript(redis, [...keys, instance.key], [owner, instance.ttlMs, ...runs(ttlsMs)])
  if (answer === 1) return { held: true, instanceKnown: true, takenOver: [] }
  const [held, second, third] = answer as [number, number, string | number[]]
  if (held === 1) return { held: true, instanceKnown: second === 1, takenOver: (third as number[]).map((i) => i - 1) }
  return { held: false, index: second - 1, sinceMs: third === '' ? null : Number(third) }
}

/** Sets all keys to a full TTL; false, and nothing changed, when the owner lost one of them. */
export async function renew(redis: Redis, { owner, keys, ttlsMs }: Request): Promise<boolean> {
  return (await renewScript(redis, keys, [owner, ...runs(ttlsMs)])) === 1
}

/** Deletes the keys that the owner still holds; false when it had lost one. */
export async function release(redis: Redis, { owner, keys }: Request): Promise<boolean> {
  return (await releaseScript(redis, keys, [owner])) === keys.length
}
