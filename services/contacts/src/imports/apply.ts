import type { Tx } from '@lockstep/database'
import { writeFacts } from '../db/facts.ts'
import { keyOf, ownersOf } from '../db/identities.ts'
import type { RowError, Tally } from '../db/imports.ts'
import { deriveFlags, recordStatements } from '../db/ledger.ts'
import { identify, type Person } from '../db/people.ts'
import { overfull } from '../db/room.ts'
import { phoneIdentity } from '../identity.ts'
import type { ImportedContact } from '../import-row.ts'

/** A contact and the line of the file that means it. */
export type Numbered = ImportedContact & Pick<RowError, 'line'>
export type Applied = Omit<Tally, 'rejected'> & { refused: RowError[] }

/** The import that rows come from, and when it was handed in: the time of the opt-outs in it. */
interface ImportedFile {
  importId: string
  at: Date
}

/**
 * Creates or completes the contacts of a batch. A contact that was in the file before is completed too, and counts as a duplicate.
 * Those known by the numbers in `stopped`, of rows that are refused, are opted out; nobody is made of these.
 */
export async function applyContacts(
  tx: Tx,
  file: ImportedFile,
  rows: Numbered[],
  stopped: string[],
): Promise<Applied> {
  const { importId } = file
  if (rows.length + stopped.length === 0)
    return { created: 0, updated: 0, duplicates: 0, refused: [] }
  const accountId = tx.accountId!
  const personOf = (phone: string) => ({ accountId, identities: [phoneIdentity(phone)] })
  // With the others, so that contacts are locked in one order.
  const found = await identify(tx, [
    ...rows.map(({ phone }) => personOf(phone)),
    ...(await known(tx, stopped.map(personOf))),
  ])
  const contacts = rows.map((row, i) => ({
    ...row,
    accountId,
    contactId: found.contactIds[i]!,
    importId,
  }))
  const full = await overfull(tx, contacts, found.created)
  const kept = contacts.filter((contact) => !full.has(contact))
  const tally = { created: 0, updated: 0, duplicates: 0 }
  const seen = new Set<string>()
  for (const { contactId: id } of kept) {
    if (seen.has(id) || found.lastImports.get(id) === importId) tally.duplicates++
    else if (found.created.has(id)) tally.created++
    else tally.updated++
    seen.add(id)
  }
  await writeFacts(tx, 'import', kept, found.created)
  // A stop counts, whatever else the row asks for.
  const optedOut = [
    ...contacts.filter((contact) => contact.optedOut).map(({ contactId }) => contactId),
    ...found.contactIds.slice(rows.length),
  ]
  const said = { kind: 'opt_out', via: 'import', evidence: importId, saidAt: file.at } as const
  await recordStatements(
    tx,
    optedOut.map((contactId) => ({ contactId, ...said })),
  )
  await deriveFlags(tx, [...found.heard, ...optedOut])
  const refused = contacts.flatMap((contact) =>
    full.has(contact) ? [{ line: contact.line, reason: full.get(contact)! }] : [],
  )
  return { ...tally, refused }
}

/** Those people whom the account knows. */
async function known(tx: Tx, people: Person[]): Promise<Person[]> {
  if (people.length === 0) return []
  const ownIdentities = people.map(({ accountId, identities }) => ({
    ...identities[0]!,
    accountId,
  }))
  const owners = await ownersOf(tx, ownIdentities)
  return people.filter((_, at) => owners.has(keyOf(ownIdentities[at]!)))
}
