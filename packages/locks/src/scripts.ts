import { instances } from '@lockstep/contracts'
import { type Redis, script } from './redis.ts'

/** Sorted keys without repeats, one TTL (ms) a key, and an owner that nobody else has. */
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

/** `get(n)`: the values of the first n keys; Lua's stack holds 8,000 values. */
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

/** TTLs go as runs, `ttl, last key, ttl, last key, …, ttl`, for each argument costs. */
const eachKey = (firstTtl: number, work: string) => `
local from = 1
for run = ${firstTtl}, #ARGV, 2 do
  local ttl, last = ARGV[run], tonumber(ARGV[run + 1]) or n
  for i = from, last do
    ${work}
  end
  from = last + 1
end
`

/*
 * The value of a lock is `{instance}:{random}@{acquired at, ms, of its process}`; the part before the @ is its owner. A value of
 * another form belongs to a stranger and is left alone until it expires. All keys or none. Acquiring sets an instance key
 * that is gone: right after a FLUSHALL our fresh locks would look like those of a dead process. One key that is free needs no look first.
 */
const acquireScript = script(`
local n, value, call = #KEYS - 1, ARGV[1], redis.call
if n == 1 and call('SET', KEYS[1], value, 'NX', 'PX', ARGV[3]) then
  if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
  return { 1, 0, {} }
end
${getScript}
local values, owner = {}, string.match(value, '^.*@')
if n == 1 or n > 5000 or redis.call('EXISTS', unpack(KEYS, 1, n)) > 0 then values = get(n) end
local takenOver = {}
for i = 1, n do
  local held = values[i]
  if held and string.find(held, owner, 1, true) ~= 1 then
    local instance, since = string.match(held, '^(.+):%x+@(%d+)$')
    if not instance or redis.call('EXISTS', '${instances.key('')}' .. instance) == 1 then
      return { 0, i, since or '' }
    end
    takenOver[#takenOver + 1] = i
    values[i] = false
  end
end
${eachKey(3, "if values[i] then call('PEXPIRE', KEYS[i], ttl) else call('SET', KEYS[i], value, 'PX', ttl) end")}
local known = redis.call('EXISTS', KEYS[n + 1])
if known == 0 then redis.call('SET', KEYS[n + 1], '1', 'PX', ARGV[2]) end
if known == 1 and #takenOver == 0 then return 1 end
return { 1, known, takenOver }
`)

const renewScript = script(`${getScript}
local n, owner = #KEYS, ARGV[1] .. '@'
for _, value in ipairs(get(n)) do
  if not value or string.find(value, owner, 1, true) ~= 1 then return 0 end
end
${eachKey(2, "redis.call('PEXPIRE', KEYS[i], ttl)")}
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
  const found: number[] = [ttlsMs[0] as number]
  for (let i = 1; i < ttlsMs.length; i++)
    if (ttlsMs[i] !== ttlsMs[i - 1]) found.push(i, ttlsMs[i] as number)
  return found
}

/** All keys or none. The same owner may ask again: it then has a full TTL from now. */
export function acquire(
  redis: Redis,
  { owner, keys, ttlsMs }: Request,
  instance: InstanceKey,
): Promise<AcquireReply> {
  return acquireScript(
    redis,
    [...keys, instance.key],
    [`${owner}@${Date.now()}`, instance.ttlMs, ...runs(ttlsMs)],
  ).then(readReply)
}

const heldAsUsual: AcquireReply = { held: true, instanceKnown: true, takenOver: [] }

function readReply(answer: unknown): AcquireReply {
  if (answer === 1) return heldAsUsual
  const [held, second, third] = answer as [number, number, string | number[]]
  if (held === 1)
    return {
      held: true,
      instanceKnown: second === 1,
      takenOver: (third as number[]).map((i) => i - 1),
    }
  return { held: false, index: second - 1, sinceMs: third === '' ? null : Number(third) }
}

/** Sets all keys to a full TTL; false, and nothing changed, when the owner lost one of them. */
export async function renew(redis: Redis, { owner, keys, ttlsMs }: Request): Promise<boolean> {
  return (await renewScript(redis, keys, [owner, ...runs(ttlsMs)])) === 1
}

/** Deletes the keys that the owner still holds; false when it had lost one. */
export function release(redis: Redis, { owner, keys }: Request): Promise<boolean> {
  return releaseScript(redis, keys, [owner]).then((deleted) => deleted === keys.length)
}
