import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { Contact, UpdateContactRequest } from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { requireValues } from '../attributes/require-values.ts'
import { announceContact } from '../changes/announce-contact.ts'
import type { Context } from '../context.ts'
import { deleteTags, insertTags, keepTags } from '../db/contact-tags.ts'
import { findContact, lockContacts, requireLive } from '../db/contacts.ts'
import { type ContactChanges, removeAttributes, updateFields } from '../db/update-contact.ts'
import {
  readAttributeName,
  readAttributes,
  readEmail,
  readLanguage,
  readName,
  readTags,
  readTimeZone,
} from '../fields/contact-fields.ts'
import { requireCapacity } from '../imports/contact-capacity.ts'

/** Changes what is named of a contact, under its row's lock. */
export const updateContact: Method<Context, UpdateContactRequest, Contact> = (
  ctx,
  request,
  call,
) => {
  const changes = changesOf(request)
  const tags = tagsOf(request)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const attributes = await requireValues(tx, changes.attributes)
    const { id: contactId } = await requireLive(tx, requireId(request.id, 'contact'))
    await lockContacts(tx, [contactId])
    if (tags.set) await keepTags(tx, contactId, tags.set)
    await deleteTags(tx, contactId, tags.removed)
    await removeAttributes(tx, contactId, request.removedAttributes.map(readAttributeName))
    const added = { accountId: call.accountId, contactId, tags: tags.added }
    await requireCapacity(tx, { ...added, attributes }, new Set())
    await insertTags(tx, [added])
    await updateFields(tx, contactId, { ...changes, attributes })
    await announceContact(ctx, tx, contactId, 'updated')
    return findContact(tx, contactId)
  })
}

function changesOf({
  name,
  email,
  language,
  timeZone,
  attributes,
}: UpdateContactRequest): ContactChanges {
  return {
    name: name === undefined ? undefined : readName(name),
    email: email === undefined ? undefined : readEmail(email),
    language: language === undefined ? undefined : readLanguage(language),
    timeZone: timeZone === undefined ? undefined : readTimeZone(timeZone),
    attributes: readAttributes(attributes),
  }
}

function tagsOf({ tags, addedTags, removedTags }: UpdateContactRequest) {
  if (tags && addedTags.length + removedTags.length > 0)
    throw new AppError(
      'invalid',
      '"tags" stands for all tags: name it alone, or "add_tags" and "remove_tags" without it',
    )
  const set = tags && readTags(tags.tags, 'tags')
  return {
    set,
    added: set ?? readTags(addedTags, 'add_tags'),
    removed: readTags(removedTags, 'remove_tags'),
  }
}
