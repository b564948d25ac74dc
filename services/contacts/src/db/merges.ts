import { query, rowset, sql, type Tx } from '@lockstep/database'
import { maxAttributesLength } from '../contact-limits.ts'

/** A contact and the one that it is merged into. */
export interface MergePair {
  id: string
  intoId: string
}

/** Pairs as a table `v (id, into_id)`. */
export const mergePairs = (pairs: readonly MergePair[]) =>
  rowset(pairs, { id: 'uuid', intoId: 'uuid' })

const firstOf = (column: string) =>
  sql`(array_agg(o.${sql.ref(column)} order by o.id) filter (where o.${sql.ref(column)} <> ''))[1]`

const latestOf = (column: string) => {
  const [id, at] = [sql.ref(column), sql.ref(`${column}_at`)]
  return sql`(array_agg(o.${id} order by o.${at} desc nulls last, o.id)
    filter (where o.${id} <> ''))[1] as ${id}, max(o.${at}) as ${at}`
}

/** The attributes of contacts `o`, the oldest's first, as many as a contact may carry. */
const mergedAttributes = sql`coalesce((
  select jsonb_object_agg(f.key, f.value) from (
    select a.id, a.key, a.value,
      sum(length(a.key) + length(a.value)) over (order by a.id, a.key) as length_so_far
    from (select distinct on (a.key) a.key, a.value, x.id
          from contacts x cross join jsonb_each_text(x.attributes) a
          where x.id = any(array_agg(o.id)) order by a.key, x.id) a) f
  where f.length_so_far <= ${maxAttributesLength} or f.id = v.into_id), '{}')`

/**
 * Fills what survivors lack from the others, the oldest first, and keeps the latest names and ids.
 */
export async function fillFields(tx: Tx, pairs: readonly MergePair[]): Promise<void> {
  const v = mergePairs(pairs)
  await sql`update contacts c set
      name = coalesce(m.given_name, m.profile_name, m.name, ''),
      profile_name = coalesce(m.profile_name, ''), profile_name_at = m.profile_name_at,
      username = coalesce(m.username, ''), username_at = m.username_at,
      phone = coalesce(m.phone, ''), phone_at = m.phone_at,
      wa_id = coalesce(m.wa_id, ''), wa_id_at = m.wa_id_at,
      user_id = coalesce(m.user_id, ''), user_id_at = m.user_id_at,
      email = coalesce(m.email, ''), language = coalesce(m.language, ''),
      time_zone = coalesce(m.time_zone, ''), archived_at = m.archived_at,
      attributes = m.attributes, last_inbound_at = m.last_inbound_at, updated_at = now()
    from (
      select v.into_id as id, ${firstOf('name')} as name,
        (array_agg(o.name order by o.id) filter (where o.name not in ('', o.profile_name)))[1]
          as given_name,
        ${latestOf('profile_name')}, ${latestOf('username')}, ${latestOf('phone')},
        ${latestOf('wa_id')}, ${latestOf('user_id')},
        ${firstOf('email')} as email, ${firstOf('language')} as language,
        ${firstOf('time_zone')} as time_zone,
        case when bool_and(o.archived_at is not null) then max(o.archived_at) end as archived_at,
        ${mergedAttributes} as attributes, max(o.last_inbound_at) as last_inbound_at
      from (select id, into_id from ${v} union select into_id, into_id from ${v}) v
        join contacts o on o.id = v.id
      group by v.into_id) m
    where c.id = m.id`.execute(tx.sql)
}

/** Gives the identities of merged contacts to the survivors, locked in the order of their keys. */
export async function moveIdentitiesOf(tx: Tx, pairs: readonly MergePair[]): Promise<void> {
  await sql`with locked as (
      select i.account_id, i.namespace, i.match_key, v.into_id
      from ${mergePairs(pairs)} join identities i on i.contact_id = v.id
      order by i.account_id, i.namespace, i.match_key for update of i)
    update identities i set contact_id = l.into_id from locked l
    where i.account_id = l.account_id and i.namespace = l.namespace
      and i.match_key = l.match_key`.execute(tx.sql)
}

export async function markMerged(tx: Tx, pairs: readonly MergePair[]): Promise<void> {
  await sql`update contacts c set merged_into = v.into_id, updated_at = now()
    from ${mergePairs(pairs)} where c.id = v.id`.execute(tx.sql)
}

/** What a survivor, or a contact that is merged into it, refuses. */
export interface MergedRefusal {
  contactId: string
  kind: 'opt_out' | 'block'
}

/** What the contacts refuse before they are merged. */
export function readRefusals(tx: Tx, pairs: readonly MergePair[]): Promise<MergedRefusal[]> {
  const members = [...pairs, ...pairs.map(({ intoId }) => ({ id: intoId, intoId }))]
  const ids = members.map(({ id }) => id)
  return query(
    tx,
    sql`select distinct v.into_id as "contactId", k.kind
        from ${mergePairs(members)} join contacts c on c.id = v.id
        cross join lateral
          (values ('opt_out', c.opted_out), ('block', c.blocked)) k(kind, is_refused)
        where k.is_refused and c.id = any(${ids}::uuid[])`,
  )
}

/** Records refusals as said with the last consent, so that only a later one takes them back. */
export async function copyRefusals(tx: Tx, refused: readonly MergedRefusal[]): Promise<void> {
  if (refused.length === 0) return
  await sql`insert into consents
      (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
    select i.account_id, i.namespace, i.match_key, i.contact_id, v.kind, 'merge', '', w.said_at
    from ${rowset(refused, { contactId: 'uuid', kind: 'text' })}
    cross join lateral (
      select max(k.said_at) as said_at,
        max(k.said_at) filter (where k.kind = v.kind) as refused_at
      from identities own join consents k using (account_id, namespace, match_key)
      where own.contact_id = v.contact_id and k.kind = any(case v.kind
        when 'opt_out' then '{opt_out,opt_in}' else '{block,unblock}' end::text[])) w
    join identities i on i.contact_id = v.contact_id
    where w.said_at > w.refused_at
    order by i.account_id, i.namespace, i.match_key, v.kind
    on conflict do nothing`.execute(tx.sql)
}
