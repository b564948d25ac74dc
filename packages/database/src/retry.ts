import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import { databaseTrouble, isSerializationFailure, RunAgain } from './errors.ts'
import type { StatementNames } from './statements.ts'

/** How often a piece of work is run at most, by what sends it back. */
const maxRuns = { collided: 3, changed: 50, healed: 5 }
const deadlocks = counter(
  'lockstep_db_deadlocks_total',
  'Transactions that PostgreSQL rolled back as deadlocked or not serializable',
)
const replanned = counter(
  'lockstep_db_statement_names_dropped_total',
  'Times that statements lost their names: a table changed, or a pooler keeps none',
)

type Reason = keyof typeof maxRuns

/** Runs work again while it collides or asks for it; then says whose fault it is. */
export async function retried<T>(names: StatementNames, attempt: () => Promise<T>): Promise<T> {
  const runs: Record<Reason, number> = { collided: 0, changed: 0, healed: 0 }
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const reason = reasonToRunAgain(error, names)
      if (!reason || ++runs[reason] >= maxRuns[reason]) throw asFailure(error)
      await delay(jitteredMs(runs[reason]))
    }
  }
}

function reasonToRunAgain(error: unknown, names: StatementNames): Reason | null {
  if (error instanceof AppError) return null
  if (error instanceof RunAgain) return 'changed'
  if (names.heal(error)) {
    replanned(1)
    return 'healed'
  }
  if (!isSerializationFailure(error)) return null
  deadlocks(1)
  return 'collided'
}

/** Up to 20 ms, then 40, and so on to 100; the spread keeps them from meeting again. */
const jitteredMs = (runs: number): number => Math.random() * 20 * Math.min(runs, 5)

/** The server's fault as `busy`, a statement past its time as `timeout`, all else as it is. */
function asFailure(error: unknown): unknown {
  if (error instanceof AppError) return error
  if (error instanceof RunAgain) return new AppError('busy', error.message, { cause: error })
  const trouble = databaseTrouble(error)
  if (trouble === 'too_slow')
    return new AppError(
      'timeout',
      'The database took too long over one statement and stopped it; ask for less at a time',
      { cause: error },
    )
  if (trouble)
    return new AppError('busy', 'The database is away or overloaded; try again', { cause: error })
  return error
}
