import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { InboundPerson, RecordInboundRequest, RecordInboundResponse } from '@lockstep/rpc/gen/contacts'
import { readPreference, readWord, type Statement } from '../consent.ts'
import type { Context } from '../context.ts'
import { deriveFlags, recordStatements } from '../db/ledger.ts'
import { type Facts, type Identified, identify, lockContacts, writeFacts } from '../db/people.ts'
import { type Identity, metaIdentities } from '../identity.ts'
import { clean } from '../text.ts'

const maxPeople = 5_000

/** Finds or creates the senders of inbound messages and applies what they said; repeating it changes nothing. */
export const recordInbound: Method<Context, RecordInboundRequest, RecordInboundResponse> = async (ctx, { people }, call) => {
  if (people.length === 0) return { contactIds: [] }
  if (people.length > maxPeople) throw new AppError('invalid', `${people.length} people at once; at most ${maxPeople} are allowed`)
  const named = people.map((person) => ({ identities: metaIdentities(person) }))
  return ctx.db.transaction(call.accountId, async (tx) => {
    const found = await identify(tx, named)
    await lockContacts(tx, found.owners.flat())
    await writeFacts(
      tx,
      'webhook',
      people.flatMap((person, at) => factsOf(person, named[at]!.identities, found, at)),
    )
    const statements = people.flatMap((person, at) => statementsOf(person, found.owners[at]!))
    await recordStatements(tx, statements)
    await deriveFlags(tx, [...found.gained, ...statements.map((statement) => statement.contactId)])
    return { contactIds: found.contactIds }
  })
}

/** What a message says about its sender. Each id goes to the contact that it leads to, the rest to the sender's contact. */
function factsOf(person: InboundPerson, identities: Identity[], found: Identified, at: number): Facts[] {
  const contactId = found.contactIds[at]!
  // A preference is no message: it opens no window.
  const lastInboundAt = person.preference ? undefined : new Date(person.atMs)
  return [
    { contactId, name: clean(person.profileName, 256), lastInboundAt },
    ...identities.map(({ kind, value }, i) => {
      const owner = { contactId: found.owners[at]![i]!, lastInboundAt: found.owners[at]![i] === contactId ? lastInboundAt : undefined }
      return kind === 'user_id' ? { ...owner, userId: value } : { ...owner, waId: value, phone: value }
    }),
  ]
}

/** What a person said, for every contact that they turn out to be: a stop must not miss the one that is written to. */
function statementsOf(person: InboundPerson, owners: string[]): Statement[] {
  const word = readWord(person.text)
  const preference = readPreference(person.preference)
  const said = { evidence: clean(person.wamid, 256), saidAt: new Date(person.atMs) }
  return [...new Set(owners)].flatMap((contactId) => [
    ...(word ? [{ contactId, kind: word, via: 'word' as const, ...said }] : []),
    ...(preference ? [{ contactId, kind: preference, via: 'preference' as const, ...said }] : []),
  ])
}
