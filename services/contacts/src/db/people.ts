import type { Tx } from '@lockstep/database'
import { v7 as uuid } from 'uuid'
import type { Identity } from '../identity.ts'
import {
  type Claimed,
  claimIdentities,
  findOwners,
  keyOf,
  moveIdentities,
  type OwnIdentity,
  ownersOf,
} from './identities.ts'
import { joinContacts, unite } from './join.ts'
import { lockContacts } from './locking.ts'

/** One element that names a person: a message's sender, a row of a file, a send's answer. */
export interface Person {
  accountId: string
  identities: Identity[]
  /** The live contact that is known to be this person; otherwise it is found by the identities, or is new. */
  contactId?: string
}

export interface Identified {
  /** The contact of each person, in their order. Those that exist are locked. */
  contactIds: string[]
  /** Contacts that don't exist yet: `writeFacts` makes them. */
  created: Set<string>
  /** Contacts that gained an identity, or another contact, under which something was said; created ones may be among them. */
  heard: Set<string>
  /** The import that each existing contact was in last. */
  lastImports: Map<string, string | null>
}

/** Persons of one batch that share an identity. */
interface Group {
  identities: Map<string, OwnIdentity>
  /** Live contacts that the batch itself says are these persons. */
  known: Set<string>
}

/**
 * Finds the contacts of many people of any accounts, claims identities for new ones, and joins contacts that one element names
 * together. Identities are claimed before any contact is locked and in the order of their key, contacts are locked in the order of
 * their ids, everywhere, so that transactions wait in one direction. Whoever loses the race for an identity waits for the winner's
 * commit and then sees its contact.
 */
export async function identify(tx: Tx, people: Person[]): Promise<Identified> {
  const groups = groupByIdentity(people)
  const asked = groups.flatMap((group) => [...group.identities.values()])
  const known = groups.flatMap((group) => [...group.known])
  const { owners, locked } = await findOwners(tx, asked, known)
  const claimed = locked ? new Map<string, Claimed>() : await claimRest(tx, groups, owners)
  const existing = groups.map(({ identities, known }) => [
    ...new Set([
      ...known,
      ...[...identities.keys()].flatMap((key) => (claimed.has(key) ? [] : owners.get(key)!)),
    ]),
  ])
  const { oneOf, joins } = unite(existing)
  const lastImports = locked ?? (await lockContacts(tx, existing.flat()))
  const created = new Set<string>()
  const heard = new Set(joins.map((join) => join.into))
  const moves: { identity: OwnIdentity; to: string }[] = []
  const byKey = new Map<string, string>()
  for (const [at, { identities }] of groups.entries()) {
    const fresh = [...identities].filter(([key]) => claimed.has(key))
    const contactId =
      existing[at]!.length > 0 ? oneOf(existing[at]![0]!) : claimed.get(fresh[0]![0])!.contactId
    if (fresh.some(([key]) => claimed.get(key)!.heard)) heard.add(contactId)
    if (existing[at]!.length === 0) created.add(contactId)
    for (const [key, identity] of fresh)
      if (claimed.get(key)!.contactId !== contactId) moves.push({ identity, to: contactId })
    for (const key of identities.keys()) byKey.set(key, contactId)
  }
  await moveIdentities(tx, moves)
  await joinContacts(tx, joins)
  const contactIds = people.map(({ accountId, identities: [first], contactId }) =>
    first ? byKey.get(keyOf({ ...first, accountId }))! : oneOf(contactId!),
  )
  return { contactIds, created, heard, lastImports }
}

/**
 * Claims the identities that nobody has: for the oldest contact that its group leads to, or for a new one. Answers those that are
 * ours, by key; of the others it adds the owners, who won while ours waited.
 */
async function claimRest(
  tx: Tx,
  groups: Group[],
  owners: Map<string, string>,
): Promise<Map<string, Claimed>> {
  const claims = groups.flatMap(({ identities, known }) => {
    const free = [...identities].filter(([key]) => !owners.has(key))
    if (free.length === 0) return []
    const candidate =
      [...known, ...[...identities.keys()].flatMap((key) => owners.get(key) ?? [])].sort()[0] ??
      uuid()
    return free.map(([, identity]) => ({ identity, contactId: candidate }))
  })
  const claimed = await claimIdentities(tx, claims)
  const lost = claims
    .map((claim) => claim.identity)
    .filter((identity) => !claimed.has(keyOf(identity)))
  if (lost.length > 0) for (const [key, owner] of await ownersOf(tx, lost)) owners.set(key, owner)
  return claimed
}

function groupByIdentity(people: Person[]): Group[] {
  const groups = new Set<Group>()
  const byKey = new Map<string, Group>()
  for (const { accountId, identities, contactId } of people) {
    const keys = identities.map(
      (identity) => [keyOf({ ...identity, accountId }), { ...identity, accountId }] as const,
    )
    const [first, ...others] = new Set(keys.flatMap(([key]) => byKey.get(key) ?? []))
    const group: Group = first ?? { identities: new Map(), known: new Set() }
    groups.add(group)
    if (contactId) group.known.add(contactId)
    for (const other of others) {
      for (const [key, identity] of other.identities) {
        group.identities.set(key, identity)
        byKey.set(key, group)
      }
      for (const id of other.known) group.known.add(id)
      groups.delete(other)
    }
    for (const [key, identity] of keys) {
      if (!group.identities.has(key)) group.identities.set(key, identity)
      byKey.set(key, group)
    }
  }
  return [...groups]
}
