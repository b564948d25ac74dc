/** Has the transaction run again, because what it found has changed meanwhile. */
export class RunAgain extends Error {
  override name = 'RunAgain'
}

/** An error and everything it was caused by, however a driver or ORM wrapped it. */
export function* causes(error: unknown): Iterable<Error & { code?: unknown }> {
  for (let e = error; e instanceof Error; e = e.cause ?? (e as { previous?: unknown }).previous)
    yield e
}

/** The SQLSTATE of a PostgreSQL error, wherever it was wrapped; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  for (const { code } of causes(error))
    if (typeof code === 'string' && isSqlState(code)) return code
  return undefined
}

/** Five letters and digits, with one digit at least: EPIPE is a socket's error. */
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

const socketErrors = new Set(
  'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH'.split(
    ' ',
  ),
)
/** What `pg` says of a connection that broke or never came; it gives these errors no code. */
const brokenConnection =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/

/**
 * `away` (no connection, overloaded): wait. `collided` (deadlock, serialization, lock wait): again.
 * `too_slow`: ask for less at once.
 */
export type DatabaseTrouble = 'away' | 'collided' | 'too_slow'

/** However deep the error is wrapped; null when the work itself is to blame. */
export function databaseTrouble(error: unknown): DatabaseTrouble | null {
  const state = sqlState(error)
  if (state) {
    if (/^(08|53|57P)/.test(state)) return 'away'
    if (state === '57014') return 'too_slow'
    return isSerializationFailure(error) || state === '55P03' ? 'collided' : null
  }
  for (const e of causes(error)) {
    if (socketErrors.has(String(e.code)) || brokenConnection.test(e.message)) return 'away'
    if (e instanceof AggregateError) {
      const found = e.errors.map(databaseTrouble).find((trouble) => trouble !== null)
      if (found) return found
    }
  }
  return null
}

/** The same work succeeds later: the database is away, or transactions collided. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const trouble = databaseTrouble(error)
  return trouble === 'away' || trouble === 'collided'
}
