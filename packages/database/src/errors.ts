/** An error and everything it was caused by, however a driver or ORM wrapped it. */
function* causes(error: unknown): Iterable<Error & { code?: unknown }> {
  for (let e = error; e instanceof Error; e = e.cause ?? (e as { previous?: unknown }).previous) yield e
}

/** The SQLSTATE of a PostgreSQL error, wherever it was wrapped; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  for (const { code } of causes(error)) if (typeof code === 'string' && isSqlState(code)) return code
  return undefined
}

/** Five letters and digits, of which one at least is a digit: EPIPE, which has five letters too, is a socket's error. */
const isSqlState = (code: string): boolean => /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)

/** Deadlock or serialization failure: the same transaction may succeed when it is run again. */
export function isSerializationFailure(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** Broken by a unique key. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === '23505'
}

const socketErrors = new Set('ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH'.split(' '))
/** What `pg` says of a connection that broke or never came; it gives these errors no code. */
const brokenConnection =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/

/**
 * The database is away, overloaded or shutting down (SQLSTATE classes 08, 53, 57P, or a socket error), a lock wait or
 * statement ran into its bound, or transactions collided: no row is to blame, the same work succeeds later.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return /^(08|53|57P|40001|40P01|55P03|57014)/.test(state)
  for (const e of causes(error)) {
    if (socketErrors.has(String(e.code)) || brokenConnection.test(e.message)) return true
    if (e instanceof AggregateError && e.errors.some(isDatabaseUnavailable)) return true
  }
  return false
}
