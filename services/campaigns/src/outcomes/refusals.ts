import { refusalCodes } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { type AttemptKey, contactsOf } from '../db/attempts.ts'

/** Meta says of an attempt's recipient that they must not be written to any more. */
export interface RecipientRefusal extends AttemptKey {
  accountId: string
  code: number
  at: Date
}

const maxOfCall = 2_000

/** The refusals among the error codes of an attempt. */
export function refusalsIn(
  { accountId, campaignId, attemptId }: AttemptKey & { accountId: string },
  codes: readonly (number | null | undefined)[],
  at: Date,
): RecipientRefusal[] {
  return refusalCodes(codes).map((code) => ({ accountId, campaignId, attemptId, code, at }))
}

/**
 * Has contacts keep refusals, before the attempts say more: once committed, no check lets the
 * person through. Repeatable.
 */
export async function recordRefusals(ctx: Context, refused: RecipientRefusal[]): Promise<void> {
  if (refused.length === 0) return
  const accountIds = [...new Set(refused.map(({ accountId }) => accountId))]
  const contactIds = await ctx.db.transaction(accountIds, (tx) => contactsOf(tx, refused))
  const refusals = refused.flatMap(({ accountId, attemptId, code, at }) => {
    const contactId = contactIds.get(attemptId)
    return contactId ? [{ accountId, contactId, code, atMs: at.getTime() }] : []
  })
  for (let from = 0; from < refusals.length; from += maxOfCall)
    await ctx.peers.contacts.recordRefusals(
      { refusals: refusals.slice(from, from + maxOfCall) },
      {},
    )
}
