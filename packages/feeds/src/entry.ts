import { type LaneName, laneSettings } from '@lockstep/contracts'
import { type RawBuilder, sql } from '@lockstep/database'

/** An open piece of work, as its worker sees it. */
export interface FeedEntry {
  id: string
  key: string
  kind: string
  /** Empty where the tenant isn't known yet. */
  accountId: string
  rowId: string
  body: Buffer
  attempts: number
  /** Of a webhook part: when it was received, or adopted later for a new connection. */
  asOfMs: number
  /** The app whose signature a webhook part carried; empty otherwise. */
  appId: string
}

/** Whether an entry is dead when its handler fails once more. */
export const isLastTry = ({ attempts }: Pick<FeedEntry, 'attempts'>): boolean =>
  attempts + 1 >= laneSettings.maxTries

export interface FeedAppend {
  lane: LaneName
  key: string
  kind?: string
  rowId?: string
  /** JSON content for entries that carry it themselves. */
  body?: unknown
  /** The tenant, where the transaction has several; else its own. */
  accountId?: string
}

/** Finished with an outcome, due again later, or failed, which counts a try. */
export type Settlement = { id: string; key: string } & (
  | { outcome: string; note?: string }
  | { laterMs: number }
  | { failure: string }
)

/**
 * Content that isn't in the entry: a lateral query over `f` of at most one row of `content`
 * (bytea), `app_id` (text) and `as_of` (timestamptz). Gone content is an empty body.
 */
export type FeedContent = RawBuilder<unknown>

export const ownContent: FeedContent = sql`select f.body as content, f.app_id, f.as_of`

/** Columns of an entry `f` with its content `c`. */
export const entryColumns = sql`f.id::text, f.key, f.kind, coalesce(f.account_id::text, '') as "accountId", f.row_id as "rowId",
  coalesce(f.body, c.content) as body, f.attempts,
  (extract(epoch from coalesce(f.as_of, c.as_of, f.created_at)) * 1000)::float8 as "asOfMs",
  coalesce(f.app_id, c.app_id, '') as "appId"`

export type EntryRow = Omit<FeedEntry, 'body'> & { body: Buffer | null }

export function toEntry({ body, asOfMs, ...row }: EntryRow): FeedEntry {
  return { ...row, body: body ?? Buffer.alloc(0), asOfMs: Math.floor(asOfMs) }
}
