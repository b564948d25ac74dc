import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import {
  AppError,
  consumerName,
  failureOf,
  failures,
  hashOfKey,
  hashRangeOf,
  instances,
  type LaneName,
  laneKeyPattern,
  laneSettings,
  lanes,
  locks,
  partitionOf,
  partitionSubject,
  rateLimits,
  renewEveryMs,
  services,
  streams,
} from '../src/index.ts'

const registry = readFileSync(
  path.resolve(import.meta.dirname, '../../../docs/reference/conflict-analysis.md'),
  'utf8',
)
const laneNames = Object.keys(lanes) as LaneName[]
const unitMs: Record<string, number> = {
  second: 1_000,
  seconds: 1_000,
  minute: 60_000,
  minutes: 60_000,
}

test('the locks are those of the conflict analysis: its 12 keys with their times, and no other', () => {
  const asked = registry.matchAll(/^- `([a-z_:]+)\{\w+\}` - (\d+) (seconds?|minutes?)$/gm)
  const promised = new Map(
    [...asked].map(([, prefix, count, unit]) => [`${prefix}X`, Number(count) * unitMs[unit!]!]),
  )
  expect(promised.size).toBe(12)
  expect(new Map(Object.values(locks).map((lock) => [lock.key('X'), lock.ttlMs]))).toEqual(promised)
})

test('the rate limits are those of the conflict analysis, kept over a window that is no shorter than promised', () => {
  const asked = registry.matchAll(/^- `([a-z_:]+)\{\w+\}` - (\d+) requests\/minute$/gm)
  const promised = new Map([...asked].map(([, prefix, limit]) => [`${prefix}X`, Number(limit)]))
  expect(promised.size).toBe(3)
  expect(new Map(Object.values(rateLimits).map((row) => [row.key('X'), row.limit]))).toEqual(
    promised,
  )
  for (const { perMs, windowMs } of Object.values(rateLimits)) {
    expect(perMs).toBe(60_000)
    expect(windowMs).toBeGreaterThanOrEqual(perMs)
  }
})

test('whoever holds something has time for two lost signs of life before it is given to another', () => {
  const { ackWaitMs, heartbeatMs, leaseMarginMs } = laneSettings
  expect(heartbeatMs).toBe(ackWaitMs / 3)
  expect(heartbeatMs * 2).toBeLessThan(ackWaitMs - leaseMarginMs)
  // The second renewal goes out with more time left than Redis may take to answer (2 s), though a holder doesn't use all of the TTL.
  const leftMs = ({ ttlMs, everyMs }: { ttlMs: number; everyMs: number }) =>
    ttlMs * 0.95 - 2 * everyMs
  const held = Object.values(locks).map(({ ttlMs }) => ({ ttlMs, everyMs: renewEveryMs(ttlMs) }))
  for (const row of [...held, { ttlMs: instances.ttlMs, everyMs: instances.renewEveryMs }])
    expect(leftMs(row), `${row.ttlMs} ms`).toBeGreaterThan(2_000)
})

test('a dead holder is known by its life sign sooner than by any of its locks, so that each can be taken over', () => {
  for (const [name, { ttlMs }] of Object.entries(locks))
    expect(ttlMs, name).toBeGreaterThan(instances.ttlMs)
})

test('a slice of work ends before the server doubts its worker, and a stored wake-up delays the next no longer than its worker listens', () => {
  expect(laneSettings.idleReleaseMs).toBeGreaterThan(
    laneSettings.storeEveryMs + 2 * laneSettings.debounceMs,
  )
  expect(laneSettings.sliceMs).toBeLessThan(laneSettings.ackWaitMs)
})

test('each lane runs between two services of the table, on a stream that takes its subject', () => {
  for (const [name, lane] of Object.entries(lanes)) {
    expect(services, name).toContain(lane.producer)
    expect(services, name).toContain(lane.worker)
    const subject = partitionSubject(name as LaneName, 7)
    expect(subject).toMatch(/\.7$/)
    const takers = Object.entries(streams).filter(([, stream]) =>
      stream.subjects.some((pattern) => covers(pattern, subject)),
    )
    expect(takers.map(([stream]) => stream)).toEqual([lane.stream])
    expect(streams[lane.stream].retention).toBe('workqueue')
  }
})

test('no two partitions of any lanes share a subject or a consumer, and a stream has room for all of them', () => {
  const all = laneNames.flatMap((lane) =>
    Array.from({ length: lanes[lane].partitions }, (_, partition) => ({ lane, partition })),
  )
  expect(new Set(all.map(({ lane, partition }) => partitionSubject(lane, partition))).size).toBe(
    all.length,
  )
  expect(new Set(all.map(({ lane, partition }) => consumerName(lane, partition))).size).toBe(
    all.length,
  )
  for (const [name, stream] of Object.entries(streams)) {
    const needed = all.filter(({ lane }) => lanes[lane].stream === name).length
    expect(needed, name).toBeLessThanOrEqual(stream.maxConsumers)
  }
})

test('the partitions of a lane are a power of two and share all hashes among them, each hash once', () => {
  for (const lane of laneNames) {
    const { partitions } = lanes[lane]
    expect(Math.log2(partitions) % 1, lane).toBe(0)
    const ranges = Array.from({ length: partitions }, (_, partition) =>
      hashRangeOf(lane, partition),
    )
    expect([ranges[0]!.first, ranges.at(-1)!.last]).toEqual([0, 65_535])
    ranges.reduce((before, range) => {
      expect(range.first).toBe(before.last + 1)
      return range
    })
  }
})

test('a key keeps its hash for ever, and its partition is the one that has the hash', () => {
  const known = {
    '106540352242922': 20_912,
    '0198c000-0000-7000-8000-000000000001': 48_551,
    a: 51_863,
  }
  expect(Object.fromEntries(Object.keys(known).map((key) => [key, hashOfKey(key)]))).toEqual(known)
  for (const key of Object.keys(known)) {
    const { first, last } = hashRangeOf('webhooks.message', partitionOf('webhooks.message', key))
    expect(hashOfKey(key)).toBeGreaterThanOrEqual(first)
    expect(hashOfKey(key)).toBeLessThanOrEqual(last)
  }
})

test('a thousand numbers are spread over the partitions: no partition has many times its share', () => {
  const counts = new Map<number, number>()
  for (let i = 0; i < 10_000; i++) {
    const partition = partitionOf('webhooks.message', String(100_000_000_000 + i))
    counts.set(partition, (counts.get(partition) ?? 0) + 1)
  }
  expect(counts.size).toBe(256)
  expect(Math.max(...counts.values())).toBeLessThan((3 * 10_000) / 256)
})

test.each(['', 'a.b', 'a b', '*', '>', 'a\n', 'é', 'x'.repeat(129)])(
  '%j is no key: it could name another lane',
  (key) => {
    expect(laneKeyPattern.test(key)).toBe(false)
  },
)

test('each failure has a gRPC status of its own, so that none changes on its way through a call', () => {
  const codes = Object.values(failures).map((row) => row.grpc)
  expect(new Set(codes).size).toBe(codes.length)
  for (const { grpc, http, retry } of Object.values(failures)) {
    expect(grpc).toBeGreaterThan(0)
    expect(http).toBeGreaterThanOrEqual(400)
    // What may succeed later is said by a status that HTTP clients repeat.
    expect(retry).toBe([429, 503, 504].includes(http))
  }
})

test('what nobody named is an internal failure', () => {
  expect(failureOf(new AppError('busy', 'x'))).toBe('busy')
  expect(failureOf(new TypeError('x'))).toBe('internal')
  expect(failureOf(undefined)).toBe('internal')
})

/** As NATS matches: `>` stands for one token or more, `*` for one. */
function covers(pattern: string, subject: string): boolean {
  const tokens = pattern
    .split('.')
    .map((token) => (token === '>' ? '.+' : token === '*' ? '[^.]+' : token))
  return new RegExp(`^${tokens.join('\\.')}$`).test(subject)
}
