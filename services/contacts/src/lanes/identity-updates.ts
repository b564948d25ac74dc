import { AppError, type IdentityUpdate } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { FeedEntry } from '@lockstep/feeds'
import type { SetHandler } from '@lockstep/service'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { deriveFlags } from '../db/consents.ts'
import { liveContacts } from '../db/contacts.ts'
import { type ContactFields, upsertContacts } from '../db/upsert-contacts.ts'
import { metaIdentities } from '../identities/identity.ts'
import { resolveIdentities } from '../identities/resolve-identities.ts'

const updatesSchema = z.array(
  z.object({
    contactId: z.uuid(),
    input: z.string().optional(),
    waId: z.string().optional(),
    userId: z.string().optional(),
  }) satisfies z.ZodType<IdentityUpdate>,
)

type AccountUpdate = IdentityUpdate & { accountId: string }

/** Adds to live contacts the ids that answers to sends named. */
export const updateIdentities: SetHandler<Context> = async (ctx, entries) => {
  const updates = entries.flatMap((entry) =>
    readUpdates(entry).map((update) => ({ ...update, accountId: entry.accountId })),
  )
  const accountIds = [...new Set(updates.map(({ accountId }) => accountId))]
  await ctx.db.transaction(accountIds, (tx) => apply(ctx, tx, updates))
  return []
}

function readUpdates(entry: FeedEntry): IdentityUpdate[] {
  try {
    return updatesSchema.parse(JSON.parse(entry.body.toString()))
  } catch (cause) {
    throw new AppError('invalid', 'The entry is no list of identity updates', { cause })
  }
}

async function apply(ctx: Context, tx: Tx, updates: readonly AccountUpdate[]): Promise<void> {
  const asked = updates.map(({ contactId }) => contactId)
  const live = await liveContacts(tx, asked)
  const people = updates.flatMap((update) => {
    const contact = live.get(update.contactId)
    if (contact?.accountId !== update.accountId) return []
    const identities = update.waId || update.userId ? metaIdentities(update) : []
    return [{ accountId: update.accountId, contactId: contact.id, identities }]
  })
  const { contactIds, newContacts, gainedConsents } = await resolveIdentities(ctx, tx, people)
  const fields = people.flatMap((person) =>
    person.identities.map(({ kind, value }): ContactFields => {
      const known = { accountId: person.accountId, contactId: contactIds.get(person)! }
      return kind === 'user_id'
        ? { ...known, userId: value }
        : { ...known, waId: value, phone: value }
    }),
  )
  await upsertContacts(tx, 'campaign', fields, newContacts)
  await deriveFlags(tx, gainedConsents)
}
