import { query, sql, type Tx } from '@lockstep/database'
import { v7 as uuid } from 'uuid'
import type { Identity } from '../identity.ts'
import { joinContacts, unite } from './join.ts'

/** One element that names a person: a message's sender, a row of a file, a send's answer. */
export interface Person {
  identities: Identity[]
  /** The live contact that is known to be this person; otherwise it is found by the identities, or is new. */
  contactId?: string
}

export interface Identified {
  /** The contact of each person, in their order. Those that exist are locked. */
  contactIds: string[]
  /** Contacts that don't exist yet: `writeFacts` makes them. */
  created: Set<string>
  /** Contacts that gained an identity, and with it perhaps what was said under it; the created ones among them. */
  gained: Set<string>
  /** The import that each existing contact was in last. */
  lastImports: Map<string, string | null>
}

/** Persons of one batch that share an identity, and the contact that claims those that nobody has. */
interface Group {
  identities: Map<string, Identity>
  candidate: string
  /** Live contacts that the batch itself says are these persons. */
  known: Set<string>
}

/**
 * Finds the contacts of many people, claims identities for new ones, and joins contacts that one element names together. Identities
 * are claimed before any contact is locked and in the order of their key, contacts are locked in the order of their ids, everywhere,
 * so that transactions wait in one direction. Whoever loses the race for an identity waits for the winner's commit and then sees its
 * contact.
 */
export async function identify(tx: Tx, people: Person[]): Promise<Identified> {
  const groups = groupByIdentity(people)
  await claimIdentities(tx, groups)
  const owners = await ownersOf(tx, groups)
  const existing = groups.map((group) => existingOf(group, owners))
  const { oneOf, joins } = unite(existing)
  const lastImports = await lockContacts(tx, existing.flat())
  const created = new Set<string>()
  const gained = new Set(joins.map((join) => join.into))
  const moves: { identity: Identity; to: string }[] = []
  const contactOf = new Map<Group, string>()
  for (const [at, group] of groups.entries()) {
    const contactId = existing[at]!.length > 0 ? oneOf(existing[at]![0]!) : group.candidate
    contactOf.set(group, contactId)
    const fresh = [...group.identities].filter(([key]) => owners.get(key) === group.candidate)
    if (fresh.length > 0) gained.add(contactId)
    if (existing[at]!.length === 0) created.add(contactId)
    if (contactId !== group.candidate) moves.push(...fresh.map(([, identity]) => ({ identity, to: contactId })))
  }
  await moveIdentities(tx, moves)
  await joinContacts(tx, joins)
  const byKey = new Map(groups.flatMap((group) => [...group.identities.keys()].map((key) => [key, contactOf.get(group)!] as const)))
  const contactIds = people.map(({ identities: [first], contactId }) => (first ? byKey.get(keyOf(first))! : oneOf(contactId!)))
  return { contactIds, created, gained, lastImports }
}

/** The contacts that a group's identities lead to by now. */
function existingOf({ identities, candidate, known }: Group, owners: Map<string, string>): string[] {
  const others = [...identities.keys()].map((key) => owners.get(key)!).filter((id) => id !== candidate)
  return [...new Set([...known, ...others])]
}

const keyOf = (identity: Pick<Identity, 'namespace' | 'matchKey'>): string => `${identity.namespace} ${identity.matchKey}`

function groupByIdentity(people: Person[]): Group[] {
  const groups = new Set<Group>()
  const byKey = new Map<string, Group>()
  for (const { identities, contactId } of people) {
    const group: Group = { identities: new Map(), candidate: '', known: new Set(contactId ? [contactId] : []) }
    for (const other of new Set(identities.flatMap((identity) => byKey.get(keyOf(identity)) ?? []))) {
      for (const [key, identity] of other.identities) group.identities.set(key, identity)
      for (const id of other.known) group.known.add(id)
      groups.delete(other)
    }
    for (const identity of identities) if (!group.identities.has(keyOf(identity))) group.identities.set(keyOf(identity), identity)
    for (const key of group.identities.keys()) byKey.set(key, group)
    groups.add(group)
  }
  for (const group of groups) group.candidate = [...group.known].sort()[0] ?? uuid()
  return [...groups]
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

/**
 * Locks contacts by id, before they are written to; answers the import that each was in last. When one was merged while we waited, the
 * transaction runs again and finds the contact that it was merged into.
 */
export async function lockContacts(tx: Tx, ids: Iterable<string>): Promise<Map<string, string | null>> {
  const rows = await query<{ id: string; importId: string | null; mergedInto: string | null }>(
    tx,
    sql`select id, last_import_id as "importId", merged_into as "mergedInto"
        from contacts where id = any(${[...new Set(ids)]}::uuid[]) order by id for no key update`,
  )
  if (rows.some((row) => row.mergedInto !== null)) throw new MergedMeanwhile()
  return new Map(rows.map((row) => [row.id, row.importId]))
}

/** Has the SQLSTATE of a serialization failure, for which `transaction` starts again. */
class MergedMeanwhile extends Error {
  override name = 'MergedMeanwhile'
  readonly code = '40001'
}
