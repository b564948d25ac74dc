import type { Tx } from '@lockstep/database'
import { writeFacts } from '../db/facts.ts'
import type { RowError, Tally } from '../db/imports.ts'
import { deriveFlags, recordStatements } from '../db/ledger.ts'
import { identify } from '../db/people.ts'
import { overfull } from '../db/room.ts'
import { phoneIdentity } from '../identity.ts'
import type { ImportedContact } from '../import-row.ts'

/** A contact and the line of the file that means it. */
export type Numbered = ImportedContact & Pick<RowError, 'line'>
export type Applied = Omit<Tally, 'rejected'> & { refused: RowError[] }

/** Creates or completes the contacts of a batch. A contact that was in the file before is completed too, and counts as a duplicate. */
export async function applyContacts(tx: Tx, importId: string, at: Date, rows: Numbered[]): Promise<Applied> {
  const accountId = tx.accountId!
  const found = await identify(
    tx,
    rows.map(({ phone }) => ({ accountId, identities: [phoneIdentity(phone)] })),
  )
  const contacts = rows.map((row, i) => ({ ...row, accountId, contactId: found.contactIds[i]!, importId }))
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
  const optedOut = contacts.filter((contact) => contact.optedOut).map((contact) => contact.contactId)
  const said = { kind: 'opt_out', via: 'import', evidence: importId, saidAt: at } as const
  await recordStatements(
    tx,
    optedOut.map((contactId) => ({ contactId, ...said })),
  )
  await deriveFlags(tx, [...found.heard, ...optedOut])
  const refused = contacts.flatMap((contact) => (full.has(contact) ? [{ line: contact.line, reason: full.get(contact)! }] : []))
  return { ...tally, refused }
}
