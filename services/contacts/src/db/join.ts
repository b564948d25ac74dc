import { query, sql, type Tx } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import { maxAttributesLength } from '../contact-limits.ts'
import { rowset } from './rowset.ts'
import { mergeTags } from './tags.ts'

/** Contacts that turned out to be one person with an older one. */
export interface Join {
  into: string
  from: string[]
}

const joined = counter(
  'lockstep_contacts_merged_total',
  'Contacts that turned out to be a person who was there already',
)

/**
 * Which contacts become one: those that stand in one list, and through a common member those of two. The oldest stays; contact ids are
 * UUIDs of version 7, which sort by age. `oneOf` answers the contact that a member becomes.
 */
export function unite(lists: string[][]): { oneOf: (id: string) => string; joins: Join[] } {
  const parents = new Map<string, string>()
  const oneOf = (id: string): string => {
    let root = id
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next
    return root
  }
  for (const [first, ...rest] of lists)
    for (const other of rest) {
      const [older, younger] = [oneOf(first!), oneOf(other)].sort() as [string, string]
      if (older !== younger) parents.set(younger, older)
    }
  const joins = Map.groupBy([...parents.keys()], oneOf)
  return { oneOf, joins: [...joins].map(([into, from]) => ({ into, from: from.sort() })) }
}

/**
 * Joins contacts, all of which the caller has locked: the identities go over, empty fields are filled, and what either has refused
 * stays refused. The caller derives the flags of the contact that stays.
 */
export async function joinContacts(tx: Tx, joins: Join[]): Promise<void> {
  if (joins.length === 0) return
  const pairs = joins.flatMap(({ into, from }) => from.map((id) => ({ id, into_id: into })))
  const v = rowset(pairs, 'id uuid, into_id uuid')
  await fillFields(tx, v)
  const refused = await refusals(tx, pairs)
  await sql`with locked as (
      select i.account_id, i.namespace, i.match_key, v.into_id from ${v} join identities i on i.contact_id = v.id
      order by i.account_id, i.namespace, i.match_key for update of i)
    update identities i set contact_id = l.into_id from locked l
    where i.account_id = l.account_id and i.namespace = l.namespace and i.match_key = l.match_key`.execute(
    tx.sql,
  )
  await sql`update contacts c set merged_into = v.into_id, updated_at = now() from ${v} where c.id = v.id`.execute(
    tx.sql,
  )
  await mergeTags(tx, pairs)
  await keepRefusals(tx, refused)
  tx.afterCommit(() => joined(pairs.length))
}

/**
 * What the older ones lack comes from the others, the oldest of these first, attributes until a contact may carry no more; the id that was
 * named last stays.
 */
async function fillFields(tx: Tx, v: ReturnType<typeof sql>): Promise<void> {
  const first = (column: string) =>
    sql`(array_agg(o.${sql.ref(column)} order by o.id) filter (where o.${sql.ref(column)} <> ''))[1]`
  const last = (column: string) => {
    const [id, at] = [sql.ref(column), sql.ref(`${column}_at`)]
    return sql`(array_agg(o.${id} order by o.${at} desc nulls last, o.id) filter (where o.${id} <> ''))[1]`
  }
  await sql`update contacts c set name = coalesce(m.given_name, m.profile_name, m.name, ''),
      profile_name = coalesce(m.profile_name, ''), profile_name_at = m.profile_name_at, username = coalesce(m.username, ''), username_at = m.username_at, phone = coalesce(m.phone, ''), phone_at = m.phone_at,
      wa_id = coalesce(m.wa_id, ''), wa_id_at = m.wa_id_at, user_id = coalesce(m.user_id, ''), user_id_at = m.user_id_at,
      attributes = m.attributes, last_inbound_at = m.last_inbound_at, updated_at = now()
    from (
      select v.into_id as id, ${first('name')} as name,
        (array_agg(o.name order by o.id) filter (where o.name not in ('', o.profile_name)))[1] as given_name,
        ${last('profile_name')} as profile_name, max(o.profile_name_at) as profile_name_at,
        ${last('username')} as username, max(o.username_at) as username_at, ${last('phone')} as phone, max(o.phone_at) as phone_at,
        ${last('wa_id')} as wa_id, max(o.wa_id_at) as wa_id_at, ${last('user_id')} as user_id, max(o.user_id_at) as user_id_at,
        coalesce((select jsonb_object_agg(f.key, f.value) from (
                    select a.id, a.key, a.value, sum(length(a.key) + length(a.value)) over (order by a.id, a.key) as filled
                    from (select distinct on (a.key) a.key, a.value, x.id from contacts x cross join jsonb_each_text(x.attributes) a
                          where x.id = any(array_agg(o.id)) order by a.key, x.id) a) f
                  where f.filled <= ${maxAttributesLength} or f.id = v.into_id), '{}') as attributes,
        max(o.last_inbound_at) as last_inbound_at
      from (select id, into_id from ${v} union select into_id, into_id from ${v}) v join contacts o on o.id = v.id
      group by v.into_id) m
    where c.id = m.id`.execute(tx.sql)
}

interface Refusal {
  contactId: string
  kind: 'opt_out' | 'block'
}

/** What the contacts refuse before they are joined. */
function refusals(tx: Tx, pairs: { id: string; into_id: string }[]): Promise<Refusal[]> {
  const ids = pairs.flatMap((pair) => [pair.id, pair.into_id])
  const into = [...pairs.map((pair) => pair.into_id), ...pairs.map((pair) => pair.into_id)]
  const of = [...pairs.map((pair) => pair.id), ...pairs.map((pair) => pair.into_id)]
  return query(
    tx,
    sql`select distinct v.into_id as "contactId", k.kind
        from unnest(${of}::uuid[], ${into}::uuid[]) v(id, into_id) join contacts c on c.id = v.id
        cross join lateral (values ('opt_out', c.opted_out), ('block', c.blocked)) k(kind, refused)
        where k.refused and c.id = any(${ids}::uuid[])`,
  )
}

/**
 * A word of one contact does not take back the stop of another that it is joined with: the stop is noted anew, as said at the time of
 * the last word. A tie means stop, and only a later word takes it back.
 */
async function keepRefusals(tx: Tx, refused: Refusal[]): Promise<void> {
  if (refused.length === 0) return
  await sql`insert into consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
    select i.account_id, i.namespace, i.match_key, i.contact_id, v.kind, 'merge', '', w.said_at
    from ${rowset(refused, '"contactId" uuid, kind text')}
    cross join lateral (
      select max(k.said_at) as said_at, max(k.said_at) filter (where k.kind = v.kind) as stopped_at
      from identities own join consents k using (account_id, namespace, match_key)
      where own.contact_id = v."contactId" and k.kind = any(case v.kind when 'opt_out' then '{opt_out,opt_in}' else '{block,unblock}' end::text[])) w
    join identities i on i.contact_id = v."contactId"
    where w.said_at > w.stopped_at
    order by i.account_id, i.namespace, i.match_key, v.kind
    on conflict do nothing`.execute(tx.sql)
}
