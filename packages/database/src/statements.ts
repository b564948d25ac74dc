import { createHash, randomBytes } from 'node:crypto'
import type { Pool, QueryConfig } from 'pg'
import { causes, sqlState } from './errors.ts'

/** Names for a process's SQL texts, so that PostgreSQL parses and plans each once a connection. */
export interface StatementNames {
  /** What `pg` is given for a text: named once it has been used often enough. */
  named(text: string, values: unknown[]): QueryConfig
  /** Whether an error comes from a name: the same work succeeds when it is run again. */
  heal(error: unknown): boolean
}

export interface StatementBounds {
  /** Texts that get a name, and so the most that a connection keeps. */
  maxNames?: number
  /** Texts without a name of which the uses are counted. */
  maxCandidates?: number
}

/** A text that is seldom used, or differs each time, never gets a name. */
const usesBeforeName = 4
/** A longer one holds values of its own. */
const maxTextLength = 20_000

/** A name is the digest of its text: in a pooler it can be unknown, but never another's. */
export function statementNames({
  maxNames = 250,
  maxCandidates = 500,
}: StatementBounds = {}): StatementNames {
  const names = new Map<string, { name: string; text: string }>()
  const uses = new Map<string, number>()
  let supported = true
  let mark = ''

  function give(text: string): { name: string; text: string } {
    const marked = mark + text
    const statement = { name: createHash('sha1').update(marked).digest('base64url'), text: marked }
    names.set(text, statement)
    return statement
  }

  function earned(text: string): boolean {
    const count = (uses.get(text) ?? 0) + 1
    uses.delete(text)
    if (count >= usesBeforeName) return true
    if (uses.size >= maxCandidates) uses.delete(uses.keys().next().value!)
    uses.set(text, count) // at the end: the one that was used longest ago goes first
    return false
  }

  return {
    named(text, values) {
      const known = names.get(text)
      if (known) return { ...known, values }
      if (!supported || names.size >= maxNames || text.length > maxTextLength || !earned(text))
        return { text, values }
      return { ...give(text), values }
    },
    heal(error) {
      const state = sqlState(error)
      if (state === '26000' || state === '42P05') {
        supported = false
      } else if (!isStalePlan(error)) return false
      else mark = `/* ${randomBytes(4).toString('hex')} */ ` // a pooler knows statements by their text
      names.clear()
      return true
    },
  }
}

/** A table has changed under a kept plan; only its routine tells it from other 0A000. */
function isStalePlan(error: unknown): boolean {
  if (sqlState(error) !== '0A000') return false
  return [...causes(error)].some(
    (e) => (e as { routine?: string }).routine === 'RevalidateCachedQuery',
  )
}

/** Names what has parameters; what has none may be several statements and stays as it is. */
export function nameStatements(pool: Pool, names: StatementNames): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    const named = (text: unknown, values: unknown, ...rest: unknown[]) =>
      typeof text === 'string' && Array.isArray(values) && values.length > 0
        ? query(names.named(text, values), ...rest)
        : query(text, values, ...rest)
    client.query = named as typeof client.query
  })
}
