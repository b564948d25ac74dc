import { AppError, type ForgottenContacts } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { EntryResult, FeedEntry, LaneHandler } from '@lockstep/feeds'
import { z } from 'zod'
import type { BaseContext } from './context.ts'

/** Whoever had read of a contact before it was forgotten has written that by then. */
const againMs = 60_000

const contentSchema = z.object({
  contactIds: z.array(z.uuid()),
}) satisfies z.ZodType<ForgottenContacts>

/**
 * Handles forgotten contacts by taking what they were out of a service's rows: at once, and once
 * more for what was being written meanwhile.
 */
export function forgetContactsBy<Context extends BaseContext>(
  forget: (tx: Tx, contactIds: string[]) => Promise<void>,
): LaneHandler<Context> {
  return async (ctx, accountId, entries) => {
    const contactIds = [...new Set(entries.flatMap(readContactIds))].sort()
    const now = ctx.now()
    await ctx.db.transaction(accountId, (tx) => forget(tx, contactIds))
    return entries.flatMap(({ id, asOfMs }): EntryResult[] => {
      const laterMs = asOfMs + againMs * ctx.scale - now
      return laterMs > 0 ? [{ id, laterMs }] : []
    })
  }
}

function readContactIds(entry: FeedEntry): string[] {
  try {
    return contentSchema.parse(JSON.parse(entry.body.toString())).contactIds
  } catch (cause) {
    throw new AppError('invalid', 'The entry is no list of forgotten contacts', { cause })
  }
}
