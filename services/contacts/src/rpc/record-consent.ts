import { AppError, type ConsentKind, cleanTrimmed, consentKinds } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Contact, RecordConsentRequest } from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { announceContact } from '../changes/announce-contact.ts'
import type { Context } from '../context.ts'
import { deriveFlags, insertConsents } from '../db/consents.ts'
import { findContact, lockContacts } from '../db/contacts.ts'

/** Records a consent, said now unless a time is named, and answers the contact as it is then. */
export const recordConsent: Method<Context, RecordConsentRequest, Contact> = (
  ctx,
  request,
  call,
) => {
  const kind = requireKind(request.kind)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await findContact(tx, requireId(request.contactId, 'contact'))
    await lockContacts(tx, [id])
    const evidence = cleanTrimmed(request.evidence, 512)
    const saidAt = new Date(Math.min(request.saidAtMs ?? Infinity, ctx.now()))
    await insertConsents(tx, [{ contactId: id, kind, via: 'api', evidence, saidAt }])
    await deriveFlags(tx, [id])
    await announceContact(ctx, tx, id, 'consent')
    return findContact(tx, id)
  })
}

function requireKind(kind: string): ConsentKind {
  const found = consentKinds.find((known) => known === kind)
  if (!found) throw new AppError('invalid', `"kind" must be one of ${consentKinds.join(', ')}`)
  return found
}
