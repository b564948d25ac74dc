import { setTimeout as delay } from 'node:timers/promises'
import { type Database, sql } from '@lockstep/database'
import type { Logger } from '@lockstep/telemetry'
import { every } from './every.ts'

/** PostgreSQL's clock, as one process knows it. */
export interface Clock extends AsyncDisposable {
  /** ms since 1970. */
  now(): number
}

interface Needs {
  db: Pick<Database, 'statement'>
  log: Logger
  scale: number
}

const measureEveryMs = 5_000
/** How long a start waits to hear the time. */
const patienceMs = 2_000
/** A slower answer says too little about the moment at which it was given. */
const slowMs = 500

/**
 * All processes go by one clock, for the times that they write are compared with each other's and with `now()` in SQL: a
 * process whose own clock is an hour off would make others wait an hour, or give their work up. It is measured now and then,
 * and followed on the monotonic clock in between. Until PostgreSQL has answered once, the process's own clock counts.
 */
export async function followDatabaseClock({ db, log, scale }: Needs): Promise<Clock> {
  let offsetMs = Date.now() - performance.now()
  let isKnown = false
  const measure = async () => {
    const askedAt = performance.now()
    const [row] = await db.statement<{ ms: number }>(sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`)
    const tookMs = performance.now() - askedAt
    if (isKnown && tookMs > slowMs) return
    offsetMs = row!.ms - (askedAt + tookMs / 2)
    isKnown = true
  }
  const first = Promise.withResolvers<void>()
  const measuring = every({ log }, 'measure-clock', measureEveryMs * scale, () => measure().finally(first.resolve))
  await Promise.race([first.promise, delay(patienceMs, undefined, { ref: false })])
  return { now: () => Math.round(performance.now() + offsetMs), [Symbol.asyncDispose]: () => measuring[Symbol.asyncDispose]() }
}
