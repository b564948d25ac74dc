import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { CreateContactRequest, CreateContactResponse } from '@lockstep/rpc/gen/contacts'
import { chosenId } from '@lockstep/service'
import { requireValues } from '../attributes/require-values.ts'
import { announceContact } from '../changes/announce-contact.ts'
import type { Context } from '../context.ts'
import { deriveFlags } from '../db/consents.ts'
import { contactSettings } from '../db/contact-settings.ts'
import { findContact, liveContacts } from '../db/contacts.ts'
import { isForgotten } from '../db/forgotten.ts'
import { upsertContacts } from '../db/upsert-contacts.ts'
import {
  readAttributes,
  readEmail,
  readLanguage,
  readName,
  readTags,
  readTimeZone,
} from '../fields/contact-fields.ts'
import { phoneIdentity } from '../identities/identity.ts'
import { resolveIdentities } from '../identities/resolve-identities.ts'
import { requireCapacity } from '../imports/contact-capacity.ts'
import { readCountry } from '../imports/country.ts'
import { parsePhone } from '../imports/phone.ts'

/** A number has one contact: whoever names it again completes that one. */
export const createContact: Method<Context, CreateContactRequest, CreateContactResponse> = (
  ctx,
  request,
  { accountId },
) => {
  const newId = chosenId(request.id)
  const fields = fieldsOf(request)
  const country = readCountry(request.defaultCountry)
  return ctx.db.transaction(accountId, async (tx) => {
    if (request.id && (await wasMade(tx, newId)))
      return { contact: await findContact(tx, newId), created: true }
    const attributes = await requireValues(tx, fields.attributes)
    const phone = requirePhone(
      request.phone,
      country || (await contactSettings(tx)).defaultCountry || undefined,
    )
    const person = { accountId, identities: [phoneIdentity(phone)], newId }
    const resolved = await resolveIdentities(ctx, tx, [person])
    const contactId = resolved.contactIds.get(person)!
    const contact = { ...fields, attributes, accountId, contactId, phone, revives: true }
    await requireCapacity(tx, contact, resolved.newContacts)
    await upsertContacts(tx, 'api', [contact], resolved.newContacts)
    await deriveFlags(tx, resolved.gainedConsents)
    const created = contactId === newId
    await announceContact(ctx, tx, contactId, created ? 'created' : 'updated')
    return { contact: await findContact(tx, contactId), created }
  })
}

function fieldsOf(request: CreateContactRequest) {
  return {
    name: readName(request.name),
    email: readEmail(request.email),
    language: readLanguage(request.language),
    timeZone: readTimeZone(request.timeZone),
    tags: readTags(request.tags, 'tags'),
    attributes: readAttributes(request.attributes),
  }
}

/** Whether an earlier try of the request made the contact. Throws `conflict` if it is gone. */
async function wasMade(tx: Tx, id: string): Promise<boolean> {
  if (await isForgotten(tx, id))
    throw new AppError('conflict', `Contact ${id} was made by this request, and forgotten since`)
  return (await liveContacts(tx, [id])).has(id)
}

function requirePhone(...[text, country]: Parameters<typeof parsePhone>): string {
  const phone = parsePhone(text, country)
  if ('digits' in phone) return phone.digits
  throw new AppError('invalid', `"phone": ${phone.reason}`)
}
