import { AppError, LockLost, type LockName, locks } from '@lockstep/contracts'

export interface LockKey {
  name: LockName
  id: string
}

/** Another holds the lock: the rule of its row (`whenBusy`) applies. */
export class LockBusy extends AppError {
  constructor({ name, id }: LockKey, sinceMs: number | null) {
    const { key, guards } = locks[name]
    const since = sinceMs === null ? '' : ` since ${new Date(sinceMs).toISOString()}`
    const [operation] = guards.split(';')
    const text = `${key(id)} is held${since} (${operation}); try again when that work is done`
    super('busy', text, { details: { lock: name, id, sinceMs } })
  }
}

/** Redis is away: lanes whose rows guard them go on without the lock, others wait. */
export class LockUnavailable extends AppError {
  constructor({ name, id }: LockKey, cause: unknown) {
    const text = `The lock ${locks[name].key(id)} could not be asked for: Redis is away; try again later`
    super('busy', text, { cause, details: { lock: name, id } })
  }
}

/** Redis is away: nothing may be sent until it is back. */
export class LimiterUnavailable extends AppError {
  constructor(cause: unknown) {
    const text = 'The rate limiter cannot be asked: Redis is away; nothing is sent until it is back'
    super('busy', text, { cause })
  }
}

/** The error of work that goes on under locks that it no longer has. */
export function lockLost(keys: readonly string[], reason: string): LockLost {
  const more = keys.length > 1 ? ` and ${keys.length - 1} more` : ''
  const text = `The lock ${keys[0]}${more} was lost: ${reason}; stop, and do the work again`
  return new LockLost(keys, reason, text)
}
