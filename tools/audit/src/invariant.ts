/**
 * One promise, and the SQL that looks for rows that break it. SQL sees every schema as superuser, and the simulator's log as
 * temporary tables (see ground-truth.ts).
 */
export interface Invariant {
  id: string
  /** The promise, as far as it is checked here. */
  statement: string
  /** What a violation means, in a sentence, and where to look. */
  means: string
  /**
   * Which snapshot of the rows is looked at. Rows that must be found in the log are taken before it is read, rows that the log
   * must be found in are taken after: so the audit is right while the system runs.
   */
  rows: 'beforeLog' | 'afterLog'
  /** What it can't be checked without, besides the rows. */
  needs: Source
  /** True when it only holds once nothing is left to do: a system at work breaks it rightly. */
  onlySettled?: boolean
  /** Makes temporary tables of its own, in the snapshot of its rows: from rows, or of what Redis or NATS hold now. */
  prepare?: (run: Run, settings: Settings) => Promise<void>
  /** A query that answers why nothing can be checked on this server, or null. */
  blocked?: string
  /** A query for one number: how many things were looked at. */
  checked: string
  /** A query for the rows that break the promise. */
  violations: string | ((settings: Settings) => string)
  /** A query for a sentence that says which part could not be checked, or null. */
  gap?: string
}

/** `rows` are always there; the others are looked at where their address is given. */
export type Source = 'rows' | 'log' | 'redis' | 'nats'

/** Runs one statement and answers its rows. */
export type Run = <Row = Record<string, unknown>>(
  text: string,
  params?: unknown[],
) => Promise<Row[]>

/** What invariants may be told. */
export interface Settings {
  /** Nothing should be left to do. */
  isSettled: boolean
  /** Work may be overdue this long; what Redis and NATS hold is looked at again for as long before it counts as left over. */
  settledSeconds: number
  /** A campaign may stand still this long. */
  finalSeconds: number
  /** 2 after Redis lost its limiter logs, else 1. */
  limitFactor: number
  redisUrl?: string | undefined
  natsUrl?: string | undefined
}

/** The time-out of a call to Meta: 10 s. An attempt without an answer is given up after twice that (campaigns, `expireSending`). */
export const sendTimeoutSeconds = 10
