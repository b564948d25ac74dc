import { AppError, type IdentityUpdate } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { FeedEntry } from '@lockstep/feeds'
import type { SetHandler } from '@lockstep/service'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { type Facts, writeFacts } from '../db/facts.ts'
import { deriveFlags } from '../db/ledger.ts'
import { identify } from '../db/people.ts'
import { liveContacts } from '../db/queries.ts'
import { metaIdentities } from '../identity.ts'

const updatesSchema = z.array(
  z.object({
    contactId: z.uuid(),
    input: z.string().optional(),
    waId: z.string().optional(),
    userId: z.string().optional(),
  }) satisfies z.ZodType<IdentityUpdate>,
)

type AccountUpdate = IdentityUpdate & { accountId: string }

/** Adds to contacts the ids that answers to sends named; updates of contacts that are gone have no effect. */
export const updateIdentities: SetHandler<Context> = async (ctx, entries) => {
  const updates = entries.flatMap((entry) =>
    readUpdates(entry).map((update) => ({ ...update, accountId: entry.accountId })),
  )
  const accountIds = [...new Set(updates.map(({ accountId }) => accountId))]
  await ctx.db.transaction(accountIds, (tx) => apply(tx, updates))
  return []
}

function readUpdates(entry: FeedEntry): IdentityUpdate[] {
  try {
    return updatesSchema.parse(JSON.parse(entry.body.toString()))
  } catch (cause) {
    throw new AppError('invalid', 'The entry is no list of identity updates', { cause })
  }
}

async function apply(tx: Tx, updates: AccountUpdate[]): Promise<void> {
  const live = await liveContacts(
    tx,
    updates.map(({ contactId }) => contactId),
  )
  const people = updates.flatMap((update) => {
    const contact = live.get(update.contactId)
    if (contact?.accountId !== update.accountId) return []
    const identities = update.waId || update.userId ? metaIdentities(update) : []
    return [{ accountId: update.accountId, contactId: contact.id, identities }]
  })
  const { contactIds, created, heard } = await identify(tx, people)
  const facts: Facts[] = people.flatMap(({ accountId, identities }, at) =>
    identities.map(({ kind, value }) => ({
      accountId,
      contactId: contactIds[at]!,
      ...(kind === 'user_id' ? { userId: value } : { waId: value, phone: value }),
    })),
  )
  await writeFacts(tx, 'campaign', facts, created)
  await deriveFlags(tx, heard)
}
