import type { Tx } from '@lockstep/database'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { lockContacts } from '../db/contacts.ts'
import {
  type ClaimedIdentity,
  claimIdentities,
  lockOwners,
  moveIdentities,
  readOwners,
} from '../db/identities.ts'
import { recallRefusals } from '../forgetting/recall-refusals.ts'
import { mergeContacts } from '../merges/merge-contacts.ts'
import { planMerges } from '../merges/plan-merges.ts'
import { groupPeople, type Person, type PersonGroup } from './group-people.ts'
import { type AccountIdentity, identityKey } from './identity.ts'

export interface ResolvedIdentities<P extends Person> {
  /** The contact of each person, locked if it exists. */
  contactIds: ReadonlyMap<P, string>
  /** Contacts that don't exist yet: `upsertContacts` makes them. */
  newContacts: ReadonlySet<string>
  /** Contacts that came by consents: of an identity, another contact, somebody who was forgotten. Their flags must be derived. */
  gainedConsents: ReadonlySet<string>
  /** The import that each existing contact was in last. */
  lastImports: ReadonlyMap<string, string | null>
}

/**
 * Finds the contacts of people of any accounts, makes ids for new ones, and merges what one element
 * names. Locks identities by key, then contacts by id: transactions wait in one direction.
 */
export async function resolveIdentities<P extends Person>(
  ctx: Pick<Context, 'secrets'>,
  tx: Tx,
  people: readonly P[],
): Promise<ResolvedIdentities<P>> {
  const groups = groupPeople(people)
  const asked = groups.flatMap((group) => [...group.identities.values()])
  const known = groups.flatMap((group) => [...group.knownIds])
  const { owners, locked } = await lockOwners(tx, asked, known)
  const claimed = locked ? new Map<string, ClaimedIdentity>() : await claimRest(tx, groups, owners)
  const candidates = groups.map((group) => existingOf(group, owners, claimed))
  const { survivorOf, merges } = planMerges(candidates)
  const lastImports = locked ?? (await lockContacts(tx, candidates.flat()))
  const contactIds = new Map<P, string>()
  const newContacts = new Set<string>()
  const gainedConsents = new Set(merges.map(({ into }) => into))
  const moves: { identity: AccountIdentity; to: string }[] = []
  const gained: { identity: AccountIdentity; contactId: string }[] = []
  for (const [at, { people, identities }] of groups.entries()) {
    const claims = [...identities].flatMap(([key, identity]) => {
      const claim = claimed.get(key)
      return claim ? [{ identity, ...claim }] : []
    })
    const [existing] = candidates[at]!
    const contactId = existing ? survivorOf(existing) : claims[0]!.contactId
    if (!existing) newContacts.add(contactId)
    if (claims.some(({ hasConsents }) => hasConsents)) gainedConsents.add(contactId)
    for (const { identity, ...claim } of claims) {
      if (claim.contactId !== contactId) moves.push({ identity, to: contactId })
      gained.push({ identity, contactId })
    }
    for (const person of people) contactIds.set(person, contactId)
  }
  await moveIdentities(tx, moves)
  await mergeContacts(tx, merges)
  for (const contactId of await recallRefusals(ctx, tx, gained)) gainedConsents.add(contactId)
  return { contactIds, newContacts, gainedConsents, lastImports }
}

/** The contacts that a group leads to, but for one that its own claims would make. */
function existingOf(
  { identities, knownIds }: PersonGroup,
  owners: ReadonlyMap<string, string>,
  claimed: ReadonlyMap<string, ClaimedIdentity>,
): string[] {
  const keys = [...identities.keys()].filter((key) => !claimed.has(key))
  return [...new Set([...knownIds, ...keys.map((key) => owners.get(key)!)])]
}

/**
 * Claims free identities for their group's oldest contact or a new one, and adds lost ones to
 * `owners`.
 */
async function claimRest(
  tx: Tx,
  groups: readonly PersonGroup[],
  owners: Map<string, string>,
): Promise<Map<string, ClaimedIdentity>> {
  const claims = groups.flatMap(({ people, identities, knownIds }) => {
    const free = [...identities].filter(([key]) => !owners.has(key))
    if (free.length === 0) return []
    const leadsTo = [...identities.keys()].flatMap((key) => owners.get(key) ?? [])
    const contactId = [...knownIds, ...leadsTo].sort()[0] ?? people[0]!.newId ?? uuid()
    return free.map(([, identity]) => ({ identity, contactId }))
  })
  const claimed = await claimIdentities(tx, claims)
  const lost = claims
    .map(({ identity }) => identity)
    .filter((identity) => !claimed.has(identityKey(identity)))
  if (lost.length > 0) for (const [key, owner] of await readOwners(tx, lost)) owners.set(key, owner)
  return claimed
}
