import { AppError, cleanTrimmed } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  InboundPerson,
  RecordInboundRequest,
  RecordInboundResponse,
} from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { readPreference, readWord, type Statement } from '../consent.ts'
import type { Context } from '../context.ts'
import { type Facts, writeFacts } from '../db/facts.ts'
import { deriveFlags, recordStatements } from '../db/ledger.ts'
import { identify } from '../db/people.ts'
import { mergedInto } from '../db/queries.ts'
import { type Identity, metaIdentities } from '../identity.ts'

const maxPeople = 5_000

/** Finds or creates the senders of inbound messages of any accounts and applies what they said; repeating it changes nothing. */
export const recordInbound: Method<Context, RecordInboundRequest, RecordInboundResponse> = async (
  ctx,
  { people },
) => {
  if (people.length === 0) return { contactIds: {}, merged: [] }
  if (people.length > maxPeople)
    throw new AppError(
      'invalid',
      `${people.length} people at once; at most ${maxPeople} are allowed`,
    )
  const accountIds = [...new Set(people.map((person) => person.accountId))]
  for (const accountId of accountIds) requireId(accountId, 'account')
  requireDifferentRefs(people)
  const named = people.map((person) => ({
    person,
    now: metaIdentities(person),
    before: formerIdentities(person),
  }))
  return ctx.db.transaction(accountIds, async (tx) => {
    const { contactIds, created, heard } = await identify(
      tx,
      named.map(({ person: { accountId }, now, before }) => ({
        accountId,
        identities: before.length > 0 ? [...now, ...before] : now,
      })),
    )
    await writeFacts(
      tx,
      'webhook',
      named.map(({ person, now }, at) => factsOf(person, now, contactIds[at]!)),
      created,
    )
    const statements = people.flatMap((person, at) => statementsOf(person, contactIds[at]!))
    await recordStatements(tx, statements)
    await deriveFlags(tx, [...heard, ...statements.map((statement) => statement.contactId)])
    return {
      contactIds: Object.fromEntries(people.map(({ ref }, at) => [ref, contactIds[at]!])),
      merged: await mergedInto(tx, contactIds),
    }
  })
}

function requireDifferentRefs(people: InboundPerson[]): void {
  const refs = new Set<string>()
  for (const { ref } of people) {
    if (refs.has(ref))
      throw new AppError('invalid', `Two people have the ref "${ref}"; give each its own`)
    refs.add(ref)
  }
}

/** What a person was known by before they changed their number or user id: it goes on leading to them. */
function formerIdentities({
  movedFromWaId: waId,
  movedFromUserId: userId,
}: InboundPerson): Identity[] {
  return waId || userId ? metaIdentities({ waId, userId }) : []
}

/** What a message says about its sender. A preference is no message, either. */
function factsOf(person: InboundPerson, identities: Identity[], contactId: string): Facts {
  const at = new Date(person.atMs)
  const ids: Facts = {
    accountId: person.accountId,
    contactId,
    namedAt: at,
    changedPhone: person.movedFromWaId !== '',
  }
  for (const { kind, value } of identities) {
    if (kind === 'user_id') ids.userId = value
    else if (kind === 'wa_id') {
      ids.waId = value
      ids.phone = value
    }
  }
  const lastInboundAt = person.silent || person.preference ? undefined : at
  return {
    ...ids,
    name: cleanTrimmed(person.givenName, 256),
    profileName: cleanTrimmed(person.profileName, 256),
    username: cleanTrimmed(person.username, 256),
    lastInboundAt,
  }
}

function statementsOf(person: InboundPerson, contactId: string): Statement[] {
  // Payload and text of a button stand one a line.
  const words = (person.button ? person.text.split('\n') : [person.text]).map(readWord)
  const word = words.includes('opt_out')
    ? 'opt_out'
    : person.stopOnly
      ? undefined
      : words.find(Boolean)
  const preference = readPreference(person.preference)
  const said = {
    contactId,
    evidence: cleanTrimmed(person.wamid, 256),
    saidAt: new Date(person.atMs),
  }
  return [
    ...(word
      ? [{ ...said, kind: word, via: person.button ? ('button' as const) : ('word' as const) }]
      : []),
    ...(preference ? [{ ...said, kind: preference, via: 'preference' as const }] : []),
  ]
}
