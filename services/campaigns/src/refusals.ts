import { refusalCodes } from '@lockstep/whatsapp'
import type { Context } from './context.ts'
import { type AttemptKey, contactsOf } from './db/attempts.ts'

/** What Meta said of an attempt's recipient: not to be written to any more. */
export interface Refused extends AttemptKey {
  accountId: string
  code: number
  at: Date
}

/** So many are told at once. */
const perCall = 2_000

/** What errors of an attempt say of its recipient. */
export function refusedBy(
  attempt: AttemptKey & { accountId: string },
  codes: readonly (number | null | undefined)[],
  at: Date,
): Refused[] {
  const { accountId, campaignId, attemptId } = attempt
  return refusalCodes(codes).map((code) => ({ accountId, campaignId, attemptId, code, at }))
}

/**
 * Has contacts write down who may not be written to any more, before anything else is known of the attempts: once that is committed, no
 * check lets the person through. Repeating it adds nothing.
 */
export async function tellRefusals(ctx: Context, refused: Refused[]): Promise<void> {
  if (refused.length === 0) return
  const accountIds = [...new Set(refused.map(({ accountId }) => accountId))]
  const contactIds = await ctx.db.transaction(accountIds, (tx) => contactsOf(tx, refused))
  const refusals = refused.flatMap(({ accountId, attemptId, code, at }) => {
    const contactId = contactIds.get(attemptId)
    return contactId ? [{ accountId, contactId, code, atMs: at.getTime() }] : []
  })
  for (let from = 0; from < refusals.length; from += perCall)
    await ctx.peers.contacts.recordRefusals({ refusals: refusals.slice(from, from + perCall) }, {})
}
