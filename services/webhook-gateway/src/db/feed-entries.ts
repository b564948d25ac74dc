import { type RawBuilder, sql } from '@lockstep/database'

/** The kind of a campaign's entry that may hold a stop, as inbound messages do. */
export const refusalKind = 'refusal'

/**
 * Opens a feed entry for each part of `parts`, a relation of `id, lane, key, kind, account_id,
 * bytes, received_at`, in the order of their ids. It returns no rows.
 */
export function openEntries(parts: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`insert into feed_open (lane, key, kind, account_id, row_id, bytes, created_at)
    select lane, key, kind, account_id, id::text, bytes, received_at from ${parts} order by id`
}
