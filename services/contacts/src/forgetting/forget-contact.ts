import { RunAgain, type Tx } from '@lockstep/database'
import { feed } from '@lockstep/feeds'
import { counter } from '@lockstep/telemetry'
import { announceContact } from '../changes/announce-contact.ts'
import type { Context } from '../context.ts'
import { requireLive } from '../db/contacts.ts'
import {
  blankContacts,
  deleteIdentities,
  lockPerson,
  refusalsOfContact,
  writeForgottenRefusals,
} from '../db/forgotten.ts'
import { ensureAccountKey } from './account-keys.ts'
import { identityHash } from './identity-hash.ts'

const forgotten = counter('lockstep_contacts_forgotten_total', 'People who were forgotten')

/**
 * Leaves nothing of a person but what they refuse, under hashes of their identities, and has the
 * services forget them whose rows name one of their contacts. Throws `not_found`.
 */
export async function forgetContact(ctx: Context, tx: Tx, id: string): Promise<void> {
  const key = await ensureAccountKey(ctx, tx)
  const asked = await personOf(tx, id)
  await lockPerson(tx, asked.contactIds)
  const { liveId, contactIds } = await personOf(tx, id)
  if (contactIds.join() !== asked.contactIds.join())
    throw new RunAgain('A contact was merged into another again and again; try again')
  const refusals = await refusalsOfContact(tx, liveId)
  const identities = await deleteIdentities(tx, liveId)
  const hashes = identities.map((identity) => identityHash(key, identity))
  await writeForgottenRefusals(tx, hashes, refusals)
  await blankContacts(tx, contactIds)
  const entry = { key: tx.accountId!, body: { contactIds } }
  await feed(
    ctx,
    tx,
    { lane: 'campaigns.forget', ...entry },
    { lane: 'conversations.forget', ...entry },
  )
  await announceContact(ctx, tx, liveId, 'forgotten')
  tx.afterCommit(() => forgotten())
}

/** The live contact of a person, and all that were merged into it with it, in order. */
async function personOf(tx: Tx, id: string): Promise<{ liveId: string; contactIds: string[] }> {
  const live = await requireLive(tx, id)
  return { liveId: live.id, contactIds: [id, ...live.otherContactIds].sort() }
}
