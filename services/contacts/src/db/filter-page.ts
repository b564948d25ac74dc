import { sql } from '@lockstep/database'
import type { Filter } from '@lockstep/rpc/gen/contacts'
import { readFilter } from '../filters/read-filter.ts'

/** Where a page of the contacts that a filter means begins and how long it is. */
export interface FilterPage {
  accountId: string
  filter: Filter | undefined
  /** The contact that ended the page before. */
  after: string | null
  limit: number
}

/** A query of the `id`s of a page, which costs what it answers by the index of each tag. */
export function filterPage({ accountId, filter, after, limit }: FilterPage) {
  const from = after ?? '00000000-0000-0000-0000-000000000000'
  return sql`select distinct p.contact_id as id from unnest(${readFilter(filter)}::text[]) v(tag)
    cross join lateral (select t.contact_id from contact_tags t
      where t.account_id = ${accountId}::uuid and t.tag = v.tag and t.contact_id > ${from}::uuid
      order by t.contact_id limit ${limit}) p
    order by id limit ${limit}`
}
