import { query, rowset, sql, type Tx } from '@lockstep/database'
import { maxTags, maxTotalTagsLength } from '../contact-limits.ts'
import { type MergePair, mergePairs } from './merges.ts'

/** The tags of a contact `c`, in order. */
export const tagsOfContact = sql`array(
  select t.tag from contact_tags t where t.contact_id = c.id order by t.tag)`

interface TaggedContact {
  accountId: string
  contactId: string
  tags?: string[]
}

/** Adds tags to locked contacts that don't carry them yet. */
export async function insertTags(tx: Tx, contacts: readonly TaggedContact[]): Promise<void> {
  const rows = contacts.filter(({ tags }) => tags?.length)
  if (rows.length === 0) return
  const columns = { accountId: 'uuid', contactId: 'uuid', tags: 'text[]' } as const
  await sql`insert into contact_tags (account_id, tag, contact_id)
    select distinct v.account_id, t.tag, v.contact_id
    from ${rowset(rows, columns)} cross join unnest(v.tags) t(tag)
    order by 1, 2, 3
    on conflict do nothing`.execute(tx.sql)
}

/** Takes tags from a locked contact. */
export async function deleteTags(
  tx: Tx,
  contactId: string,
  tags: readonly string[],
): Promise<void> {
  if (tags.length === 0) return
  await sql`delete from contact_tags where contact_id = ${contactId}::uuid
    and account_id = ${tx.accountId}::uuid and tag = any(${tags}::text[])`.execute(tx.sql)
}

/** Takes all tags from a locked contact but these. */
export async function keepTags(tx: Tx, contactId: string, tags: readonly string[]): Promise<void> {
  await sql`delete from contact_tags where contact_id = ${contactId}::uuid
    and account_id = ${tx.accountId}::uuid and tag <> all(${tags}::text[])`.execute(tx.sql)
}

/** The tags of contacts that carry any, by contact. */
export async function tagsOf(tx: Tx, contactIds: string[]): Promise<Map<string, string[]>> {
  if (contactIds.length === 0) return new Map()
  const rows = await query<{ id: string; tags: string[] }>(
    tx,
    sql`select v.id, t.tags from unnest(${contactIds}::uuid[]) v(id)
        cross join lateral (select array_agg(tag) as tags from contact_tags
                            where contact_id = v.id offset 0) t
        where t.tags is not null`,
  )
  return new Map(rows.map((row) => [row.id, row.tags]))
}

/** Gives survivors the tags of merged contacts, the oldest's first, as many as one may carry. */
export async function moveTags(tx: Tx, pairs: readonly MergePair[]): Promise<void> {
  await sql`with moved as (
      delete from contact_tags t using ${mergePairs(pairs)} where t.contact_id = v.id
      returning t.account_id, t.tag, t.contact_id as from_id, v.into_id),
    carried as (
      select account_id, tag, from_id, into_id, false as own from moved
      union all select t.account_id, t.tag, t.contact_id, t.contact_id, true
      from contact_tags t where t.contact_id in (select into_id from moved)),
    once as (
      select distinct on (into_id, tag) account_id, tag, from_id, into_id, own
      from carried order by into_id, tag, own desc, from_id),
    ranked as (
      select *, row_number() over w as n, sum(length(tag)) over w as length_so_far from once
      window w as (partition by into_id order by own desc, from_id, tag
                   rows unbounded preceding))
    insert into contact_tags (account_id, tag, contact_id)
    select account_id, tag, into_id from ranked
    where not own and n <= ${maxTags} and length_so_far <= ${maxTotalTagsLength}
    on conflict do nothing`.execute(tx.sql)
}
