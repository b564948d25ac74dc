import { type AccountIdentity, type Identity, identityKey } from './identity.ts'

/** One element that names a person: a message's sender, a row of a file, an answer to a send. */
export interface Person {
  accountId: string
  identities: Identity[]
  /** The live contact that is known to be this person, whatever the identities lead to. */
  contactId?: string
  /** The id of the contact that is made for them, if one is; any by default. */
  newId?: string
}

/** The elements of a call that name one person. */
export interface PersonGroup<P extends Person = Person> {
  people: P[]
  /** By key. */
  identities: Map<string, AccountIdentity>
  /** Live contacts that the elements name by id. */
  knownIds: Set<string>
}

/** Elements that share an identity, directly or through others, are one person. */
export function groupPeople<P extends Person>(people: readonly P[]): PersonGroup<P>[] {
  const groups = new Set<PersonGroup<P>>()
  const byKey = new Map<string, PersonGroup<P>>()
  const moveInto = (group: PersonGroup<P>, other: PersonGroup<P>) => {
    for (const person of other.people) group.people.push(person)
    for (const id of other.knownIds) group.knownIds.add(id)
    for (const [key, identity] of other.identities) {
      if (!group.identities.has(key)) group.identities.set(key, identity)
      byKey.set(key, group)
    }
    groups.delete(other)
  }
  for (const person of people) {
    const own = groupOf(person)
    const keys = [...own.identities.keys()]
    const [group, ...others] = new Set(keys.flatMap((key) => byKey.get(key) ?? []))
    for (const other of others) moveInto(group!, other)
    if (group) moveInto(group, own)
    else {
      groups.add(own)
      for (const key of keys) byKey.set(key, own)
    }
  }
  return [...groups]
}

function groupOf<P extends Person>(person: P): PersonGroup<P> {
  const { accountId, contactId } = person
  const identities = person.identities.map((identity) => ({ ...identity, accountId }))
  return {
    people: [person],
    identities: new Map(identities.map((identity) => [identityKey(identity), identity])),
    knownIds: new Set(contactId ? [contactId] : []),
  }
}
