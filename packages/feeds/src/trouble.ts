import { AppError, failureOf, LockLost } from '@lockstep/contracts'
import { isDatabaseUnavailable } from '@lockstep/database'

/**
 * What kind of trouble an error is:
 * - `away`: a server or service doesn't answer, or a lock is busy or lost. Nobody is to blame, the same works later.
 * - `too_slow`: a statement or call ran past its time, or a message was too large. Half of it may do.
 * - `own`: anything else. The work itself is to blame.
 */
export type Trouble = 'away' | 'too_slow' | 'own'

export function troubleOf(error: unknown): Trouble {
  if (error instanceof AppError) return troubleOfFailure(error)
  if (error instanceof Error && error.name === 'TimeoutError') return 'too_slow'
  if (error instanceof Error && error.name === 'AbortError') return 'away'
  return isDatabaseUnavailable(error) ? 'away' : 'own'
}

function troubleOfFailure(error: AppError): Trouble {
  switch (failureOf(error)) {
    case 'busy':
    case 'throttled':
      return 'away'
    case 'timeout':
    case 'too_large':
      return 'too_slow'
    case 'conflict':
      return error instanceof LockLost ? 'away' : 'own'
    default:
      return isDatabaseUnavailable(error) ? 'away' : 'own'
  }
}

/** Nothing is wrong with the work: it may be tried again as it is. */
export const isInfrastructure = (error: unknown): boolean => troubleOf(error) !== 'own'
