import { query, sql, type Tx } from '@lockstep/database'
import type { AudienceContact } from '@lockstep/rpc/gen/contacts'
import type { ContactFlags } from '../consents/consent.ts'
import { contactColumns, isReachable, lookUp } from './contacts.ts'
import { type FilterPage, filterPage } from './filter-page.ts'

type AudienceRow = Omit<AudienceContact, 'skipReason'> & ContactFlags

export interface AudiencePage {
  rows: AudienceRow[]
  /** Where the next page begins, if there is one. */
  last?: string
}

/** One page of a filter's audience in id order. */
export async function audiencePage(tx: Tx, page: FilterPage): Promise<AudiencePage> {
  const live = sql`n.id = p.id and n.account_id = ${page.accountId}::uuid and n.merged_into is null
    and n.archived_at is null`
  const found = await query<AudienceRow & { pageId: string }>(
    tx,
    sql`with page as materialized (${filterPage(page)})
        select p.id as "pageId", ${contactColumns}, ${isReachable}
        from page p left join ${lookUp(live)} on true cross join lateral (select n.*) c
        order by p.id`,
  )
  const rows = found.filter((row) => row.id !== null).map(({ pageId: _, ...row }) => row)
  return { rows, last: found.length < page.limit ? undefined : found.at(-1)!.pageId }
}
