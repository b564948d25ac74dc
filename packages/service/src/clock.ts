import { setTimeout as delay } from 'node:timers/promises'
import { type Database, sql } from '@lockstep/database'
import { clockOffset } from '@lockstep/locks'
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
/** The first question may have to open a connection; the quickest answer counts most. */
const samples = 3
/** How long a start waits to hear the time. */
const startWaitMs = 2_000

/**
 * PostgreSQL's clock, for times of all processes are compared with each other and with `now()` in
 * SQL. Until it has answered once, the process's own clock counts.
 */
export async function followDatabaseClock({ db, log, scale }: Needs): Promise<Clock> {
  const estimate = clockOffset()
  let aheadMs = performance.now() - Date.now()
  const measure = async () => {
    for (let i = 0; i < samples; i++) {
      const askedAt = performance.now()
      const [row] = await db.statement<{ ms: number }>(
        sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
      )
      aheadMs = estimate(askedAt, row!.ms, performance.now())
    }
  }
  const first = Promise.withResolvers<void>()
  const measuring = every({ log }, 'measure-clock', measureEveryMs * scale, () =>
    measure().finally(first.resolve),
  )
  await Promise.race([first.promise, delay(startWaitMs, undefined, { ref: false })])
  return {
    now: () => Math.round(performance.now() - aheadMs),
    [Symbol.asyncDispose]: () => measuring[Symbol.asyncDispose](),
  }
}
