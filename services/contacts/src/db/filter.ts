import { AppError, cleanTrimmed } from '@lockstep/contracts'
import { sql } from '@lockstep/database'
import type { Filter } from '@lockstep/rpc/gen/contacts'
import { maxTagLength } from '../contact-limits.ts'

const maxTagsOfFilter = 100

/** Where a page of the contacts that a filter means begins and how long it is. */
export interface FilterPage {
  accountId: string
  filter: Filter | undefined
  /** The contact that ended the page before. */
  after: string | null
  limit: number
}

/**
 * The ids of a page of the contacts that a filter means, in order, as a query with the column `id`. It walks the index of each tag, so
 * that it costs what it answers, whatever the account holds. Nothing else turns filters into SQL. Throws `invalid` for an empty one: it
 * must never mean everybody.
 */
export function filterPage({ accountId, filter, after, limit }: FilterPage) {
  const tags = [...new Set(filter?.tags.map((tag) => cleanTrimmed(tag, maxTagLength)))].filter(
    Boolean,
  )
  if (tags.length === 0) throw new AppError('invalid', 'The filter is empty: name at least one tag')
  if (tags.length > maxTagsOfFilter)
    throw new AppError(
      'invalid',
      `The filter names ${tags.length} tags; at most ${maxTagsOfFilter} are allowed`,
    )
  const from = after ?? '00000000-0000-0000-0000-000000000000'
  return sql`select distinct p.contact_id as id from unnest(${tags}::text[]) v(tag)
    cross join lateral (select t.contact_id from contact_tags t
      where t.account_id = ${accountId}::uuid and t.tag = v.tag and t.contact_id > ${from}::uuid
      order by t.contact_id limit ${limit}) p
    order by id limit ${limit}`
}
