import { AppError } from '@lockstep/contracts'
import { query, queryOne, RunAgain, sql, type Tx } from '@lockstep/database'
import type { Contact, Merged } from '@lockstep/rpc/gen/contacts'
import type { ContactFlags } from '../consents/consent.ts'
import type { ContactFilter } from '../filters/contact-filter.ts'
import { tagsOfContact } from './contact-tags.ts'
import { filterCondition, isListed } from './filter-condition.ts'

type Sql = ReturnType<typeof sql>

/** Columns of a contact `c`. */
export const contactColumns = sql`c.id, c.name, c.profile_name as "profileName", c.username,
  c.phone, c.wa_id as "waId", c.user_id as "userId", c.attributes::text as "attributesJson",
  c.opted_out as "optedOut", c.blocked`
/** What of a contact `c` says whether it may be written to, beside what it said. */
export const isReachable = sql`(c.phone <> '' or c.wa_id <> '' or c.user_id <> '') as reachable,
  c.archived_at is not null as archived`
const ms = (column: string) => sql`floor(extract(epoch from ${sql.ref(column)}) * 1000)::float8`

const firstId = '00000000-0000-0000-0000-000000000000'

/** Listed contacts of the account that a filter means, in id order, after one of them. */
export async function searchContacts(
  tx: Tx,
  filter: ContactFilter,
  { after, limit }: { after: string | null; limit: number },
): Promise<Contact[]> {
  const isMeant = await filterCondition(tx, filter)
  return readContacts(
    tx,
    sql`${isListed} and c.id > ${after ?? firstId}::uuid and ${isMeant}
      order by c.id limit ${limit}`,
  )
}

/** How many listed contacts of the account a filter means. */
export async function countContacts(tx: Tx, filter: ContactFilter): Promise<number> {
  const isMeant = await filterCondition(tx, filter)
  const row = await queryOne<{ n: number }>(
    tx,
    sql`select count(*)::float8 as n from contacts c where c.account_id = ${tx.accountId}::uuid
        and ${isListed} and ${isMeant}`,
  )
  return row!.n
}

/** Listed contacts of the account in id order, after one of them, with a tag if one is named. */
export function listContacts(
  tx: Tx,
  { tag, after, limit }: { tag: string; after: string | null; limit: number },
): Promise<Contact[]> {
  if (!tag) {
    const rest = after === null ? sql`true` : sql`c.id > ${after}::uuid`
    return readContacts(tx, sql`${isListed} and ${rest} order by c.id limit ${limit}`)
  }
  const ids = sql`select t.contact_id from contact_tags t
    cross join lateral (select from contacts c where c.id = t.contact_id and ${isListed} offset 0) c
    where t.account_id = ${tx.accountId}::uuid and t.tag = ${tag}
      and t.contact_id > ${after ?? firstId}::uuid
    order by t.contact_id limit ${limit}`
  return readContacts(tx, sql`${isListed} and c.id = any(array(${ids})) order by c.id`)
}

/**
 * A contact, or the one that it was merged into. Throws `not_found`, also for another account's.
 */
export async function findContact(tx: Tx, id: string): Promise<Contact> {
  const live = await requireLive(tx, id)
  return (await readContacts(tx, sql`c.id = ${live.id}`))[0]!
}

/** The live contact behind an id. Throws `not_found`. */
export async function requireLive(tx: Tx, id: string): Promise<LiveContact> {
  const live = (await liveContacts(tx, [id])).get(id)
  if (!live) throw new AppError('not_found', `There is no contact ${id}`)
  return live
}

async function readContacts(tx: Tx, condition: Sql): Promise<Contact[]> {
  const rows = await query<ContactRow>(
    tx,
    sql`select ${contactColumns}, ${tagsOfContact} as tags, c.email, c.language,
          c.time_zone as "timeZone", c.source, ${ms('c.last_inbound_at')} as "lastInboundAtMs",
          ${ms('c.archived_at')} as "archivedAtMs", ${ms('c.created_at')} as "createdAtMs"
        from contacts c where c.account_id = ${tx.accountId}::uuid and ${condition}`,
  )
  return rows.map(({ lastInboundAtMs, archivedAtMs, ...row }) => ({
    ...row,
    lastInboundAtMs: lastInboundAtMs ?? undefined,
    archivedAtMs: archivedAtMs ?? undefined,
  }))
}

type DatedColumn = 'lastInboundAtMs' | 'archivedAtMs'
type ContactRow = Omit<Contact, DatedColumn> & Record<DatedColumn, number | null>

/**
 * Contacts `n` behind a row, where "offset 0" keeps the planner to an index, also in a recursion.
 */
export const lookUp = (condition: Sql) =>
  sql`lateral (select * from contacts n where ${condition} offset 0) n`

/** `otherContactIds` are the person's but for the id that was asked for. */
export type LiveContact = ContactFlags & {
  id: string
  accountId: string
  otherContactIds: string[]
  phone: string
  waId: string
  userId: string
}

/** The live contact behind each id, through merges, if it is of an account of the transaction. */
export async function liveContacts(tx: Tx, ids: string[]): Promise<Map<string, LiveContact>> {
  const rows = await query<LiveContact & { asked: string }>(
    tx,
    sql`with recursive chain as (
          select id as asked, id, merged_into from contacts
          where id = any(${ids}::uuid[]) and account_id = any(${tx.accountIds}::uuid[])
          union select chain.asked, n.id, n.merged_into
          from chain, ${lookUp(sql`n.id = chain.merged_into`)}),
        person as (
          select id as live, id from chain where merged_into is null
          union select person.live, n.id from person, ${lookUp(sql`n.merged_into = person.id`)})
        select chain.asked, c.id, c.account_id as "accountId", c.opted_out as "optedOut", c.blocked,
               ${isReachable}, c.phone, c.wa_id as "waId", c.user_id as "userId",
               array_remove(p.ids, chain.asked) as "otherContactIds"
        from chain join contacts c on c.id = chain.id
          join (select live, array_agg(id order by id) as ids from person group by live) p
            on p.live = c.id
        where chain.merged_into is null and c.forgotten_at is null`,
  )
  return new Map(rows.map((row) => [row.asked, row]))
}

/** Every contact that was merged into one of these, directly or through others. */
export function mergedInto(tx: Tx, ids: Iterable<string>): Promise<Merged[]> {
  return query(
    tx,
    sql`with recursive chain as (
          select n.id, n.merged_into as into_id
          from unnest(${[...new Set(ids)]}::uuid[]) v(id), ${lookUp(sql`n.merged_into = v.id`)}
          union select n.id, chain.into_id
          from chain, ${lookUp(sql`n.merged_into = chain.id`)})
        select id as "contactId", into_id as into from chain order by id`,
  )
}

export interface LockedContact {
  id: string
  importId: string | null
  mergedInto: string | null
  isForgotten: boolean
}

/** Locks contacts in the order of their ids, and answers the import that each was in last. */
export async function lockContacts(
  tx: Tx,
  ids: Iterable<string>,
): Promise<Map<string, string | null>> {
  const rows = await query<LockedContact>(
    tx,
    sql`select id, last_import_id as "importId", merged_into as "mergedInto",
          forgotten_at is not null as "isForgotten"
        from contacts where id = any(${[...new Set(ids)]}::uuid[]) order by id for no key update`,
  )
  return lastImportsOf(rows)
}

/** When one was merged or forgotten meanwhile, the transaction runs again without it. */
export function lastImportsOf(rows: readonly LockedContact[]): Map<string, string | null> {
  if (rows.some(({ mergedInto, isForgotten }) => mergedInto !== null || isForgotten))
    throw new RunAgain('A contact was merged or forgotten again and again; try again')
  return new Map(rows.map((row) => [row.id, row.importId]))
}

/** How long each attribute of contacts that have any is, with its name. */
export async function attributeLengths(
  tx: Tx,
  ids: string[],
): Promise<Map<string, Record<string, number>>> {
  if (ids.length === 0) return new Map()
  const rows = await query<{ id: string; lengths: Record<string, number> }>(
    tx,
    sql`select c.id, (select jsonb_object_agg(a.key, length(a.key) + length(a.value))
                      from jsonb_each_text(c.attributes) a) as lengths
        from contacts c
        where c.id = any(${ids}::uuid[]) and c.account_id = any(${tx.accountIds}::uuid[])
          and c.attributes <> '{}'`,
  )
  return new Map(rows.map((row) => [row.id, row.lengths]))
}
