import { setTimeout as delay } from 'node:timers/promises'
import { instances, type LockName, locks } from '@lockstep/contracts'
import { openRedis, type Redis, untilReady } from '@lockstep/locks'
import { batches } from '../ground-truth.ts'
import type { Invariant, Run, Settings } from '../invariant.ts'

/** A holder's death may block others this long: its life sign runs out after 15 s. A hold that outlives all work counts after as long. */
const freeSeconds = 20
const reachMs = 5_000
const lookAgainMs = 100

const columns =
  'key text, name text, value text, ttl_ms bigint, table_ttl_ms bigint, holder text, outlived_ms bigint'

/**
 * Whether a process died can't be seen in Redis, only whether its death would free its locks: take-over needs an owner of our
 * format and an instance key that runs out (packages/locks/src/scripts.ts), and where that fails the lock's own TTL must.
 * The lock of a dead process that nobody has asked for since is free, though its key still stands.
 */
export const locksGetFree: Invariant = {
  id: 'L3',
  statement: `Each lock and each life sign of a process in Redis runs out as the tables say, and each lock's owner is one that others can take over from; once all is done, no living process holds on to a lock for ${freeSeconds} s.`,
  means:
    'Somebody waits for a lock longer than 20 s after its holder is gone: something else than packages/locks wrote it, or a hold was leaked.',
  rows: 'afterLog',
  needs: 'redis',
  prepare: loadLocks,
  checked: 'select count(*) from redis_locks',
  violations: `
    select p.problem, l.key, l.value as owner, l.ttl_ms, l.table_ttl_ms
    from redis_locks l
    cross join lateral (values
      (l.ttl_ms = -1, 'never runs out'),
      (l.ttl_ms > l.table_ttl_ms, 'runs out later than its table says'),
      (l.name <> 'instance' and l.holder is null, 'its owner is not of our format: nobody can take it over'),
      (l.outlived_ms is not null, 'is held on to for ' || round(l.outlived_ms / 1000.0, 1) || ' s although nothing is left to do')
    ) p(is_broken, problem)
    where p.is_broken order by l.key`,
}

interface Held {
  key: string
  name: LockName | 'instance'
  value: string | null
  ttl_ms: number
  table_ttl_ms: number
  /** Instance id of its owner, if its value is of our format. */
  holder: string | undefined
}

async function loadLocks(
  run: Run,
  { redisUrl, isSettled, settledSeconds }: Settings,
): Promise<void> {
  const redis = openRedis(redisUrl!)
  try {
    await untilReady(redis, reachMs).catch((cause) => {
      throw new Error(`Redis does not answer at ${new URL(redisUrl!).host}: L3 can't be checked`, {
        cause,
      })
    })
    const held = await readLocks(redis)
    const patienceMs = Math.min(freeSeconds, settledSeconds) * 1_000
    const outlived = isSettled ? await holdsThatStay(redis, held, patienceMs) : new Set<Held>()
    await run(`create temp table redis_locks (${columns}) on commit drop`)
    const rows = batches(run, 'redis_locks', columns)
    for (const each of held)
      await rows.add({ ...each, ...(outlived.has(each) && { outlived_ms: patienceMs }) })
    await rows.flush()
  } finally {
    redis.disconnect()
  }
}

const tables = [
  ...Object.entries(locks).map(([name, { key, ttlMs }]) => ({
    name: name as LockName,
    prefix: key(''),
    ttlMs,
  })),
  { name: 'instance' as const, prefix: instances.key(''), ttlMs: instances.ttlMs },
]

/** The form of a lock's value as packages/locks/src/scripts.ts writes it: `{instance}:{random}@{since}`. */
const ownerPattern = /^(.+):[0-9a-fA-F]+@\d+$/

async function readLocks(redis: Redis): Promise<Held[]> {
  const held = new Map<string, Held>() // a scan may give a key twice
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'COUNT', 1_000)
    for (const each of await look(redis, keys)) held.set(each.key, each)
    cursor = next
  } while (cursor !== '0')
  return [...held.values()]
}

/** Values and TTLs of one moment: what is released between two questions would look like a stranger's. */
async function look(redis: Redis, keys: readonly string[]): Promise<Held[]> {
  const ours = keys.flatMap((key) =>
    tables.filter(({ prefix }) => key.startsWith(prefix)).map((table) => ({ key, ...table })),
  )
  if (ours.length === 0) return []
  const asked = redis.multi()
  for (const { key } of ours) asked.get(key).pttl(key)
  const answers = ((await asked.exec()) ?? []).map(([, answer]) => answer) // a key that holds no text answers with an error: null
  return ours
    .map(({ key, name, ttlMs }, index) => {
      const value = answers[2 * index] as string | null
      const holder = value?.match(ownerPattern)?.[1]
      return {
        key,
        name,
        value,
        ttl_ms: answers[2 * index + 1] as number,
        table_ttl_ms: ttlMs,
        holder,
      }
    })
    .filter(({ ttl_ms }) => ttl_ms !== -2)
}

/** Those that one hold of a living process has the whole time; looks until none is left. */
async function holdsThatStay(
  redis: Redis,
  held: readonly Held[],
  patienceMs: number,
): Promise<Set<Held>> {
  const alive = new Set(held.filter(({ name }) => name === 'instance').map(({ key }) => key))
  let staying = held.filter(
    ({ holder }) => holder !== undefined && alive.has(instances.key(holder)),
  )
  const until = performance.now() + patienceMs
  while (staying.length > 0 && performance.now() < until) {
    await delay(lookAgainMs)
    const values = await redis.mget(staying.map(({ key }) => key))
    staying = staying.filter(({ value }, index) => values[index] === value)
  }
  return new Set(staying)
}
