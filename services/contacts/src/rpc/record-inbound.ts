import { AppError, cleanTrimmed } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  InboundPerson,
  RecordInboundRequest,
  RecordInboundResponse,
} from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { type Consent, readPreference } from '../consents/consent.ts'
import { readConsentWord } from '../consents/consent-words.ts'
import type { Context } from '../context.ts'
import { deriveFlags, insertConsents } from '../db/consents.ts'
import { mergedInto } from '../db/contacts.ts'
import { type ContactFields, upsertContacts } from '../db/upsert-contacts.ts'
import type { Person } from '../identities/group-people.ts'
import { type Identity, metaIdentities } from '../identities/identity.ts'
import { resolveIdentities } from '../identities/resolve-identities.ts'

const maxInbound = 5_000

/** A person of the request, with the ids that they have now, and with all that lead to them. */
interface NamedPerson extends Person {
  inbound: InboundPerson
  current: Identity[]
}

/** Finds or creates the senders of messages of any accounts, and applies what they said. */
export const recordInbound: Method<Context, RecordInboundRequest, RecordInboundResponse> = async (
  ctx,
  { people },
) => {
  if (people.length === 0) return { contactIds: {}, merged: [] }
  if (people.length > maxInbound)
    throw new AppError(
      'invalid',
      `${people.length} people at once; at most ${maxInbound} are allowed`,
    )
  const accountIds = [...new Set(people.map((person) => person.accountId))]
  for (const accountId of accountIds) requireId(accountId, 'account')
  requireDifferentRefs(people)
  const named = people.map(nameOf)
  return ctx.db.transaction(accountIds, async (tx) => {
    const { contactIds, newContacts, gainedConsents } = await resolveIdentities(ctx, tx, named)
    const fields = named.map((person) => fieldsOf(person, contactIds.get(person)!))
    await upsertContacts(tx, 'webhook', fields, newContacts)
    const consents = named.flatMap((person) => consentsOf(person.inbound, contactIds.get(person)!))
    await insertConsents(tx, consents)
    await deriveFlags(tx, [...gainedConsents, ...consents.map(({ contactId }) => contactId)])
    const byRef = named.map((person) => [person.inbound.ref, contactIds.get(person)!])
    return {
      contactIds: Object.fromEntries(byRef),
      merged: await mergedInto(tx, contactIds.values()),
    }
  })
}

function requireDifferentRefs(people: readonly InboundPerson[]): void {
  const refs = new Set<string>()
  for (const { ref } of people) {
    if (refs.has(ref))
      throw new AppError('invalid', `Two people have the ref "${ref}"; give each its own`)
    refs.add(ref)
  }
}

/** Ids that a person had before they changed them go on leading to them. */
function nameOf(inbound: InboundPerson): NamedPerson {
  const { accountId, movedFromWaId: waId, movedFromUserId: userId } = inbound
  const current = metaIdentities(inbound)
  const former = waId || userId ? metaIdentities({ waId, userId }) : []
  return { inbound, accountId, current, identities: [...current, ...former] }
}

/** What a message says about its sender. A preference is no message, either. */
function fieldsOf({ inbound, current }: NamedPerson, contactId: string): ContactFields {
  const at = new Date(inbound.atMs)
  const phone = current.find(({ kind }) => kind === 'wa_id')?.value
  return {
    accountId: inbound.accountId,
    contactId,
    namedAt: at,
    changedPhone: inbound.movedFromWaId !== '',
    userId: current.findLast(({ kind }) => kind === 'user_id')?.value,
    waId: phone,
    phone,
    name: cleanTrimmed(inbound.givenName, 256),
    profileName: cleanTrimmed(inbound.profileName, 256),
    username: cleanTrimmed(inbound.username, 256),
    ...(!inbound.silent && !inbound.preference && { lastInboundAt: at, revives: true }),
  }
}

function consentsOf(person: InboundPerson, contactId: string): Consent[] {
  const evidence = cleanTrimmed(person.wamid, 256)
  const said = { contactId, evidence, saidAt: new Date(person.atMs) }
  const word = wordOf(person)
  const preference = readPreference(person.preference)
  return [
    ...(word ? [{ ...said, kind: word, via: person.button ? 'button' : 'word' } as const] : []),
    ...(preference ? [{ ...said, kind: preference, via: 'preference' } as const] : []),
  ]
}

/** Of a button the payload and the text stand one a line. */
function wordOf({ button, text, stopOnly }: InboundPerson) {
  const words = (button ? text.split('\n') : [text]).map(readConsentWord)
  if (words.includes('opt_out')) return 'opt_out'
  return stopOnly ? undefined : words.find(Boolean)
}
