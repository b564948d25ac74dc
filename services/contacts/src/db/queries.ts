import { AppError } from '@lockstep/contracts'
import { query, sql, type Tx } from '@lockstep/database'
import type { AudienceContact, Contact, Merged } from '@lockstep/rpc/gen/contacts'
import type { Reach } from '../consent.ts'
import { type FilterPage, filterPage } from './filter.ts'
import { tagsOfContact } from './tags.ts'

const columns = sql`c.id, c.name, c.profile_name as "profileName", c.username, c.phone, c.wa_id as "waId", c.user_id as "userId", c.attributes::text as "attributesJson",
  c.opted_out as "optedOut", c.blocked`
const reachable = sql`(c.phone <> '' or c.wa_id <> '' or c.user_id <> '') as reachable`
const ms = (column: string) => sql`floor(extract(epoch from ${sql.ref(column)}) * 1000)::float8`

type ContactRow = Omit<Contact, 'lastInboundAtMs'> & { lastInboundAtMs: number | null }

/** Live contacts of the account in id order, after one of them, with a tag if one is named. */
export function listContacts(
  tx: Tx,
  page: { tag: string; after: string | null; limit: number },
): Promise<Contact[]> {
  const { after, limit } = page
  if (!page.tag) {
    const rest = after === null ? sql`true` : sql`c.id > ${after}::uuid`
    return contacts(tx, sql`c.merged_into is null and ${rest} order by c.id limit ${limit}`)
  }
  const ids = filterPage({ accountId: tx.accountId!, filter: { tags: [page.tag] }, after, limit })
  return contacts(tx, sql`c.merged_into is null and c.id = any(array(${ids})) order by c.id`)
}

/** A contact, or the one that it was merged into; `not_found` also for another account's. */
export async function findContact(tx: Tx, id: string): Promise<Contact> {
  const live = (await liveContacts(tx, [id])).get(id)
  const [contact] = live ? await contacts(tx, sql`c.id = ${live.id}`) : []
  if (!contact) throw new AppError('not_found', `There is no contact ${id}`)
  return contact
}

async function contacts(tx: Tx, condition: ReturnType<typeof sql>): Promise<Contact[]> {
  const rows = await query<ContactRow>(
    tx,
    sql`select ${columns}, ${tagsOfContact} as tags, c.source, ${ms('c.last_inbound_at')} as "lastInboundAtMs", ${ms('c.created_at')} as "createdAtMs"
        from contacts c where c.account_id = ${tx.accountId}::uuid and ${condition}`,
  )
  return rows.map((row) => ({ ...row, lastInboundAtMs: row.lastInboundAtMs ?? undefined }))
}

/**
 * Contacts behind a row of a recursive query. The planner takes the steps of a recursion for many rows and would read the whole table;
 * "offset 0" keeps it to an index.
 */
const lookUp = (condition: ReturnType<typeof sql>) =>
  sql`lateral (select * from contacts n where ${condition} offset 0) n`

/** `also` are the other contacts of the person, seen from the id that was asked for. */
export type LiveContact = Reach & {
  id: string
  accountId: string
  also: string[]
  phone: string
  waId: string
  userId: string
}

/** The live contact behind each id, through any merges; ids without one in the accounts of the transaction are left out. */
export async function liveContacts(tx: Tx, ids: string[]): Promise<Map<string, LiveContact>> {
  const rows = await query<LiveContact & { asked: string }>(
    tx,
    sql`with recursive chain as (
          select id as asked, id, merged_into from contacts where id = any(${ids}::uuid[]) and account_id = any(${tx.accountIds}::uuid[])
          union select chain.asked, n.id, n.merged_into from chain, ${lookUp(sql`n.id = chain.merged_into`)}),
        person as (
          select id as live, id from chain where merged_into is null
          union select person.live, n.id from person, ${lookUp(sql`n.merged_into = person.id`)})
        select chain.asked, c.id, c.account_id as "accountId", c.opted_out as "optedOut", c.blocked, ${reachable},
               c.phone, c.wa_id as "waId", c.user_id as "userId", array_remove(p.ids, chain.asked) as also
        from chain join contacts c on c.id = chain.id
          join (select live, array_agg(id order by id) as ids from person group by live) p on p.live = c.id
        where chain.merged_into is null`,
  )
  return new Map(rows.map((row) => [row.asked, row]))
}

/** Every contact that was merged into one of these, directly or through others. */
export function mergedInto(tx: Tx, ids: string[]): Promise<Merged[]> {
  return query(
    tx,
    sql`with recursive chain as (
          select n.id, n.merged_into as into_id from unnest(${[...new Set(ids)]}::uuid[]) v(id), ${lookUp(sql`n.merged_into = v.id`)}
          union select n.id, chain.into_id from chain, ${lookUp(sql`n.merged_into = chain.id`)})
        select id as "contactId", into_id as into from chain order by id`,
  )
}

export type AudienceRow = Omit<AudienceContact, 'skipReason'> & Reach

export interface AudiencePage {
  rows: AudienceRow[]
  /** Where the next page begins; undefined after the last. */
  last?: string
}

/** One page of a filter's audience in id order. */
export async function audiencePage(tx: Tx, page: FilterPage): Promise<AudiencePage> {
  const found = await query<AudienceRow & { walked: string }>(
    tx,
    sql`with page as materialized (${filterPage(page)})
        select p.id as walked, ${columns}, ${reachable}
        from page p left join ${lookUp(sql`n.id = p.id and n.account_id = ${page.accountId}::uuid and n.merged_into is null`)} on true
          cross join lateral (select n.*) c
        order by p.id`,
  )
  const rows = found.filter((row) => row.id !== null).map(({ walked: _, ...row }) => row)
  return { rows, last: found.length < page.limit ? undefined : found.at(-1)!.walked }
}
