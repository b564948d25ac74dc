/** The SQLSTATE of a PostgreSQL error, wherever a driver or ORM wrapped it; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause ?? (e as { previous?: unknown }).previous) {
    const code = (e as { code?: unknown }).code
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code
  }
  return undefined
}

/** Deadlock or serialization failure: the same transaction may succeed when it is run again. */
export function isSerializationFailure(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** Broken by a unique key. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === '23505'
}

const socketErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'])

/**
 * The database is away, overloaded or shutting down (SQLSTATE classes 08, 53, 57P, or a socket error), a lock wait or
 * statement ran into its bound, or transactions collided: no row is to blame, the same work succeeds later.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return /^(08|53|57P|40001|40P01|55P03|57014)/.test(state)
  for (let e = error; e instanceof Error; e = e.cause ?? (e as { previous?: unknown }).previous) {
    if (socketErrors.has(String((e as { code?: unknown }).code))) return true
    if (e instanceof AggregateError && e.errors.some(isDatabaseUnavailable)) return true
    if (/^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/.test(e.message))
      return true
  }
  return false
}
