import { AppError, type LockName, locks } from '@lockstep/contracts'

export interface LockKey {
  name: LockName
  id: string
}

/** The error of a lock that another holds; its words are for the caller. */
export function lockBusy({ name, id }: LockKey, sinceMs: number | null): AppError {
  const { key, guards } = locks[name]
  const since = sinceMs === null ? '' : ` since ${new Date(sinceMs).toISOString()}`
  const text = `${key(id)} is held${since} (${guards.split(';')[0]}); try again when that work is done`
  return new AppError('busy', text, { details: { lock: name, id, sinceMs, unavailable: false } })
}

/** The error of a lock that could not be asked for. */
export function lockUnavailable({ name, id }: LockKey, cause: unknown): AppError {
  const text = `The lock ${locks[name].key(id)} could not be asked for: Redis is away; try again later`
  return new AppError('busy', text, { cause, details: { lock: name, id, unavailable: true } })
}

/** The error of work that goes on under a lock it no longer has. */
export function lockLost(keys: readonly string[], reason: string): AppError {
  const more = keys.length > 1 ? ` and ${keys.length - 1} more` : ''
  return new AppError(
    'conflict',
    `The lock ${keys[0]}${more} was lost: ${reason}; stop, and do the work again`,
    {
      details: { keys, reason },
    },
  )
}

/** True when another holds the lock: the rule of its row (`whenBusy`) applies. */
export function isLockBusy(error: unknown): error is AppError {
  return error instanceof AppError && 'lock' in error.details && error.details.unavailable === false
}

/** True when Redis is away: lanes whose rows guard them go on without the lock, others wait. */
export function isLockUnavailable(error: unknown): error is AppError {
  return error instanceof AppError && 'lock' in error.details && error.details.unavailable === true
}
