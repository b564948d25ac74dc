import type { Tx } from '@lockstep/database'
import { type Attribute, readValues } from '../attributes/attribute.ts'
import type { Consent } from '../consents/consent.ts'
import type { Context } from '../context.ts'
import { holdAttributes } from '../db/attributes.ts'
import { deriveFlags, insertConsents } from '../db/consents.ts'
import { readOwners } from '../db/identities.ts'
import type { RowError } from '../db/import-errors.ts'
import type { ImportCounts } from '../db/imports.ts'
import { upsertContacts } from '../db/upsert-contacts.ts'
import { identityKey, phoneIdentity } from '../identities/identity.ts'
import { resolveIdentities } from '../identities/resolve-identities.ts'
import { findOverCapacity } from './contact-capacity.ts'
import type { ImportedContact } from './read-row.ts'

/** A contact and the line of the file that means it. */
export type ImportRow = ImportedContact & Pick<RowError, 'line'>
export type AppliedRows = Omit<ImportCounts, 'rejected'> & { refused: RowError[] }

/** The import that rows come from, and when it was handed in: the time of the opt-outs in it. */
interface ImportedFile {
  importId: string
  at: Date
}

/**
 * Creates or completes the contacts of a batch, and opts out known ones of refused rows
 * (`optOutPhones`).
 */
export async function applyRows(
  ctx: Pick<Context, 'secrets'>,
  tx: Tx,
  { importId, at: saidAt }: ImportedFile,
  rows: readonly ImportRow[],
  optOutPhones: readonly string[],
): Promise<AppliedRows> {
  if (rows.length + optOutPhones.length === 0)
    return { created: 0, updated: 0, duplicates: 0, refused: [] }
  const { typed, untyped, stopped: refusedStops } = await readTyped(tx, rows)
  const named = typed.map((row) => ({ row, ...personOf(tx, row.phone) }))
  // All in one call, so that contacts are locked in one order.
  const stopped = await knownPeople(tx, [...optOutPhones, ...refusedStops])
  const resolved = await resolveIdentities(ctx, tx, [...named, ...stopped])
  const contacts = named.map((person) => {
    const contactId = resolved.contactIds.get(person)!
    return { ...person.row, accountId: person.accountId, contactId, importId, revives: true }
  })
  const overCapacity = await findOverCapacity(tx, contacts, resolved.newContacts)
  const accepted = contacts.filter((contact) => !overCapacity.has(contact))
  await upsertContacts(tx, 'import', accepted, resolved.newContacts)
  // A stop counts, whatever else the row asks for.
  const stoppedIds = [
    ...contacts.filter((contact) => contact.optedOut).map(({ contactId }) => contactId),
    ...stopped.map((person) => resolved.contactIds.get(person)!),
  ]
  const optOut = { kind: 'opt_out', via: 'import', evidence: importId, saidAt } as const
  await insertConsents(
    tx,
    stoppedIds.map((contactId): Consent => ({ contactId, ...optOut })),
  )
  await deriveFlags(tx, [...resolved.gainedConsents, ...stoppedIds])
  const refused = [...overCapacity].map(([{ line }, reason]) => ({ line, reason }))
  return { ...countContacts(accepted, resolved, importId), refused: [...untyped, ...refused] }
}

/** Rows with values as attributes of a type have them, those with others, and whom these opt out. */
async function readTyped(tx: Tx, rows: readonly ImportRow[]) {
  const typed: ImportRow[] = []
  const untyped: RowError[] = []
  const stopped: string[] = []
  const hasValues = rows.some(({ attributes }) => Object.keys(attributes).length > 0)
  const attributes: ReadonlyMap<string, Attribute> = hasValues
    ? await holdAttributes(tx)
    : new Map()
  for (const row of rows) {
    const read = readValues(attributes, row.attributes)
    if ('values' in read) typed.push({ ...row, attributes: read.values })
    else {
      untyped.push({ line: row.line, reason: read.reason })
      if (row.optedOut) stopped.push(row.phone)
    }
  }
  return { typed, untyped, stopped }
}

function personOf(tx: Tx, phone: string) {
  return { accountId: tx.accountId!, identities: [phoneIdentity(phone)] }
}

/** Those people whom the account knows by a number. */
async function knownPeople(tx: Tx, phones: readonly string[]) {
  if (phones.length === 0) return []
  const people = phones.map((phone) => personOf(tx, phone))
  const keyed = people.map((person) => {
    const identity = { ...person.identities[0]!, accountId: person.accountId }
    return { person, identity }
  })
  const owners = await readOwners(
    tx,
    keyed.map(({ identity }) => identity),
  )
  return keyed
    .filter(({ identity }) => owners.has(identityKey(identity)))
    .map(({ person }) => person)
}

/**
 * A contact counts once as created or updated, and as a duplicate wherever the file names it again.
 */
function countContacts(
  accepted: readonly { contactId: string }[],
  {
    newContacts,
    lastImports,
  }: {
    newContacts: ReadonlySet<string>
    lastImports: ReadonlyMap<string, string | null>
  },
  importId: string,
): Omit<ImportCounts, 'rejected'> {
  const counts = { created: 0, updated: 0, duplicates: 0 }
  const seen = new Set<string>()
  for (const { contactId } of accepted) {
    if (seen.has(contactId) || lastImports.get(contactId) === importId) counts.duplicates++
    else if (newContacts.has(contactId)) counts.created++
    else counts.updated++
    seen.add(contactId)
  }
  return counts
}
