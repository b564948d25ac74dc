import { query, sql, type Tx } from '@lockstep/database'
import { counter } from '@lockstep/telemetry'
import { v7 as uuid } from 'uuid'
import type { Identity } from '../identity.ts'

/** One element that names a person: a message's sender, a row of a file, a send's answer. */
export interface Person {
  identities: Identity[]
  /** The live contact that is known to be this person; otherwise it is found by the identities, or is new. */
  contactId?: string
}

export interface Identified {
  /** The contact of each person, in their order. */
  contactIds: string[]
  /** The contact that each of a person's identities leads to: more than one when two contacts turn out to be one person. */
  owners: string[][]
  /** Contacts that don't exist yet: `writeFacts` makes them. */
  created: Set<string>
  /** Contacts that gained an identity, and with it perhaps what was said under it; the created ones among them. */
  gained: Set<string>
}

/** Persons of one batch that share an identity, and the contact that they are unless the identities are taken. */
interface Group {
  identities: Map<string, Identity>
  candidate: string
  known: boolean
}

const conflicts = counter('lockstep_contacts_identity_conflicts_total', 'Elements that named two live contacts; they wait to be joined')

/**
 * Finds the contacts of many people and claims identities for new ones, in three statements. Identities are claimed before any
 * contact is locked and in the order of their key, everywhere, so that transactions wait in one direction. Whoever loses the
 * race for an identity waits for the winner's commit and then sees its contact.
 */
export async function identify(tx: Tx, people: Person[]): Promise<Identified> {
  const groups = groupByIdentity(people)
  await claimIdentities(tx, groups)
  const owners = await ownersOf(tx, groups)
  const found: Identified = { contactIds: [], owners: [], created: new Set(), gained: new Set() }
  const moves: { identity: Identity; to: string }[] = []
  for (const { candidate, identities, known } of groups) {
    const taken = [...identities.keys()].map((key) => owners.get(key)!)
    const others = taken.filter((id) => id !== candidate)
    if (taken.length > others.length) found.gained.add(others.length > 0 && !known ? oldest(others) : candidate)
    if (new Set(others).size + (known ? 1 : 0) > 1) conflicts(1)
    if (known) continue
    if (others.length === 0) found.created.add(candidate)
    else for (const [key, identity] of identities) if (owners.get(key) === candidate) moves.push({ identity, to: oldest(others) })
  }
  await moveIdentities(tx, moves)
  for (const { identity, to } of moves) owners.set(keyOf(identity), to)
  for (const person of people) {
    const own = person.identities.map((identity) => owners.get(keyOf(identity))!)
    found.owners.push(own)
    found.contactIds.push(person.contactId ?? oldest(own))
  }
  return found
}

const keyOf = (identity: Pick<Identity, 'namespace' | 'matchKey'>): string => `${identity.namespace} ${identity.matchKey}`

/** Contact ids are UUIDs of version 7: they sort by age. */
const oldest = (ids: string[]): string => ids.toSorted()[0]!

function groupByIdentity(people: Person[]): Group[] {
  const byKey = new Map<string, Group>()
  for (const { identities, contactId } of people) {
    const group: Group = { identities: new Map(), candidate: contactId ?? uuid(), known: contactId !== undefined }
    const met = new Set(identities.flatMap((identity) => byKey.get(keyOf(identity)) ?? []))
    for (const other of met) {
      for (const [key, identity] of other.identities) group.identities.set(key, identity)
      if (other.known && (!group.known || other.candidate < group.candidate))
        Object.assign(group, { candidate: other.candidate, known: true })
    }
    for (const identity of identities) if (!group.identities.has(keyOf(identity))) group.identities.set(keyOf(identity), identity)
    for (const key of group.identities.keys()) byKey.set(key, group)
  }
  return [...new Set(byKey.values())]
}

/** Claims every identity that nobody has, for the group's candidate. */
async function claimIdentities(tx: Tx, groups: Group[]): Promise<void> {
  const claims = groups.flatMap(({ identities, candidate }) =>
    [...identities.values()].map(({ namespace, kind, matchKey }) => ({ namespace, kind, match_key: matchKey, contact_id: candidate })),
  )
  await sql`insert into identities (account_id, namespace, kind, match_key, contact_id)
    select ${tx.accountId}::uuid, namespace, kind, match_key, contact_id
    from jsonb_to_recordset(${JSON.stringify(claims)}::jsonb) as v(namespace text, kind text, match_key text, contact_id uuid)
    order by namespace, match_key
    on conflict (account_id, namespace, match_key) do nothing`.execute(tx.sql)
}

/** The contact that each identity leads to now, by its key. A statement of its own: it sees what won while ours waited. */
async function ownersOf(tx: Tx, groups: Group[]): Promise<Map<string, string>> {
  const asked = groups.flatMap((group) => [...group.identities.values()])
  const rows = await query<{ namespace: Identity['namespace']; matchKey: string; contactId: string }>(
    tx,
    sql`select i.namespace, i.match_key as "matchKey", i.contact_id as "contactId"
        from unnest(${asked.map((i) => i.namespace)}::text[], ${asked.map((i) => i.matchKey)}::text[]) v(namespace, match_key)
        join identities i on i.account_id = ${tx.accountId}::uuid and i.namespace = v.namespace and i.match_key = v.match_key`,
  )
  return new Map(rows.map((row) => [keyOf(row), row.contactId]))
}

/** Gives identities that were claimed just now, and that nobody else has seen, to a contact that exists. */
async function moveIdentities(tx: Tx, moves: { identity: Identity; to: string }[]): Promise<void> {
  if (moves.length === 0) return
  const rows = moves.map(({ identity, to }) => ({ namespace: identity.namespace, match_key: identity.matchKey, contact_id: to }))
  await sql`update identities i set contact_id = v.contact_id
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as v(namespace text, match_key text, contact_id uuid)
    where i.account_id = ${tx.accountId}::uuid and i.namespace = v.namespace and i.match_key = v.match_key`.execute(tx.sql)
}

/** What is known about a contact; what is left out stays as it is. */
export interface Facts {
  contactId: string
  name?: string
  phone?: string
  waId?: string
  userId?: string
  tags?: string[]
  attributes?: Record<string, string>
  lastInboundAt?: Date
  importId?: string
}

/** Locks contacts by id, before they are written to; answers the import that each was in last. */
export async function lockContacts(tx: Tx, ids: Iterable<string>): Promise<Map<string, string | null>> {
  const rows = await query<{ id: string; importId: string | null }>(
    tx,
    sql`select id, last_import_id as "importId" from contacts where id = any(${[...new Set(ids)]}::uuid[]) order by id for no key update`,
  )
  return new Map(rows.map((row) => [row.id, row.importId]))
}

/**
 * Makes contacts and adds to existing ones, which the caller has locked: empty fields are filled, tags united, attributes
 * merged, the source stays. A WhatsApp id or user id gives way to one of a newer message.
 */
export async function writeFacts(tx: Tx, source: string, facts: Facts[]): Promise<void> {
  if (facts.length === 0) return
  await sql`insert into contacts as c
      (id, account_id, name, phone, wa_id, user_id, tags, attributes, source, last_inbound_at, last_import_id)
    select v.id, ${tx.accountId}::uuid, v.name, v.phone, v.wa_id, v.user_id, v.tags, v.attributes, ${source}, v.last_inbound_at, v.import_id
    from jsonb_to_recordset(${JSON.stringify(mergeFacts(facts))}::jsonb) as v(id uuid, name text, phone text, wa_id text, user_id text,
      tags text[], attributes jsonb, last_inbound_at timestamptz, import_id uuid)
    order by v.id
    on conflict (id) do update set
      name = case when c.name = '' then excluded.name else c.name end,
      phone = case when c.phone = '' then excluded.phone else c.phone end,
      wa_id = case when excluded.wa_id <> '' and (c.wa_id = '' or excluded.last_inbound_at >= coalesce(c.last_inbound_at, '-infinity'))
                   then excluded.wa_id else c.wa_id end,
      user_id = case when excluded.user_id <> '' and (c.user_id = '' or excluded.last_inbound_at >= coalesce(c.last_inbound_at, '-infinity'))
                     then excluded.user_id else c.user_id end,
      tags = case when c.tags @> excluded.tags then c.tags
                  else array(select distinct t from unnest(c.tags || excluded.tags) t order by t) end,
      attributes = c.attributes || excluded.attributes,
      last_inbound_at = greatest(c.last_inbound_at, excluded.last_inbound_at),
      last_import_id = coalesce(excluded.last_import_id, c.last_import_id),
      updated_at = now()`.execute(tx.sql)
}

interface FactsRow {
  id: string
  name: string
  phone: string
  wa_id: string
  user_id: string
  tags: string[]
  attributes: Record<string, string>
  last_inbound_at: Date | null
  import_id: string | null
}

/** One row a contact: of two facts the earlier fills a field, of two messages the newer names the ids. */
function mergeFacts(facts: Facts[]): FactsRow[] {
  const rows = new Map<string, FactsRow>()
  for (const fact of facts) {
    const row = rows.get(fact.contactId)
    const newer = !row?.last_inbound_at || (fact.lastInboundAt !== undefined && fact.lastInboundAt >= row.last_inbound_at)
    rows.set(fact.contactId, {
      id: fact.contactId,
      name: row?.name || fact.name || '',
      phone: row?.phone || fact.phone || '',
      wa_id: (newer && fact.waId) || row?.wa_id || fact.waId || '',
      user_id: (newer && fact.userId) || row?.user_id || fact.userId || '',
      tags: [...new Set([...(row?.tags ?? []), ...(fact.tags ?? [])])],
      attributes: { ...row?.attributes, ...fact.attributes },
      last_inbound_at: newer ? (fact.lastInboundAt ?? row?.last_inbound_at ?? null) : (row?.last_inbound_at ?? null),
      import_id: fact.importId ?? row?.import_id ?? null,
    })
  }
  return [...rows.values()]
}
