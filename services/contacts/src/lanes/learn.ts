import { AppError, type Learned } from '@lockstep/contracts'
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

const learnedSchema = z.array(
  z.object({
    contactId: z.uuid(),
    input: z.string().optional(),
    waId: z.string().optional(),
    userId: z.string().optional(),
  }) satisfies z.ZodType<Learned>,
)

/** Adds to contacts what sending taught about them: their ids. Contacts that are gone teach nothing. */
export const learn: SetHandler<Context> = async (ctx, entries) => {
  const learned = entries.flatMap((entry) =>
    readLearned(entry).map((one) => ({ ...one, accountId: entry.accountId })),
  )
  await ctx.db.transaction([...new Set(learned.map((one) => one.accountId))], (tx) =>
    apply(tx, learned),
  )
  return []
}

function readLearned(entry: FeedEntry): Learned[] {
  try {
    return learnedSchema.parse(JSON.parse(entry.body.toString()))
  } catch (cause) {
    throw new AppError('invalid', 'The entry does not hold what was learned about contacts', {
      cause,
    })
  }
}

async function apply(tx: Tx, learned: (Learned & { accountId: string })[]): Promise<void> {
  const live = await liveContacts(
    tx,
    learned.map((one) => one.contactId),
  )
  const about = learned.flatMap((one) => {
    const contact = live.get(one.contactId)
    return contact?.accountId === one.accountId
      ? [
          {
            ...one,
            contactId: contact.id,
            identities: one.waId || one.userId ? metaIdentities(one) : [],
          },
        ]
      : []
  })
  const { contactIds, created, heard } = await identify(tx, about)
  const facts: Facts[] = about.flatMap(({ accountId, identities }, at) =>
    identities.map(({ kind, value }) => ({
      accountId,
      contactId: contactIds[at]!,
      ...(kind === 'user_id' ? { userId: value } : { waId: value, phone: value }),
    })),
  )
  await writeFacts(tx, 'campaign', facts, created)
  await deriveFlags(tx, heard)
}
