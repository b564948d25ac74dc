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

/*
 * The value of a lock is `{instance}:{random}@{acquired at, ms, Redis time}`; the part before the @ is its owner. A value of
 * another form belongs to a stranger and is left alone until it expires. All keys or none. Acquiring also sets the
 * instance key: right after a FLUSHALL our fresh locks would look like those of a dead process.
 */
const acquireScript = script(`${getScript}
local n, owner = #KEYS - 1, ARGV[1]
local values = get(n)
local takenOver = {}
for i = 1, n do
  local value = values[i]
  if value and string.sub(value, 1, #owner + 1) ~= owner .. '@' then
    local instance, since = string.match(value, '^(.+):%x+@(%d+)$')
    if not instance or redis.call('EXISTS', '${instances.key('')}' .. instance) == 1 then
      return { 0, i, since or '' }
    end
    takenOver[#takenOver + 1] = i
    values[i] = false
  end
end
local time = redis.call('TIME')
local value = owner .. '@' .. time[1] .. string.format('%03d', math.floor(time[2] / 1000))
for i = 1, n do
  if values[i] then
    redis.call('PEXPIRE', KEYS[i], ARGV[i + 2])
  else
    redis.call('SET', KEYS[i], value, 'PX', ARGV[i + 2])
  end
end
local known = redis.call('SET', KEYS[n + 1], '1', 'PX', ARGV[2], 'GET')
return { 1, known and 1 or 0, takenOver }
`)

const renewScript = script(`${getScript}
local owner = ARGV[1] .. '@'
for _, value in ipairs(get(#KEYS)) do
  if not value or string.sub(value, 1, #owner) ~= owner then return 0 end
end
for i, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[i + 1]) end
return 1
`)

const releaseScript = script(`${getScript}
local owner, mine = ARGV[1] .. '@', {}
for i, value in ipairs(get(#KEYS)) do
  if value and string.sub(value, 1, #owner) == owner then mine[#mine + 1] = KEYS[i] end
end
for from = 1, #mine, 5000 do redis.call('DEL', unpack(mine, from, math.min(from + 4999, #mine))) end
return #mine
`)

/** Takes all keys or none in one round trip. The same owner may ask again: it then holds them for a full TTL from now. */
export async function acquire(redis: Redis, { owner, keys, ttlsMs }: Request, instance: InstanceKey): Promise<AcquireReply> {
  const [held, second, third] = (await acquireScript(redis, [...keys, instance.key], [owner, instance.ttlMs, ...ttlsMs])) as [
    number,
    number,
    string | number[],
  ]
  if (held === 1) return { held: true, instanceKnown: second === 1, takenOver: (third as number[]).map((i) => i - 1) }
  return { held: false, index: second - 1, sinceMs: third === '' ? null : Number(third) }
}

/** Sets all keys to a full TTL; false, and nothing changed, when the owner lost one of them. */
export async function renew(redis: Redis, { owner, keys, ttlsMs }: Request): Promise<boolean> {
  return (await renewScript(redis, keys, [owner, ...ttlsMs])) === 1
}

/** Deletes the keys that the owner still holds; false when it had lost one. */
export async function release(redis: Redis, { owner, keys }: Request): Promise<boolean> {
  return (await releaseScript(redis, keys, [owner])) === keys.length
}
