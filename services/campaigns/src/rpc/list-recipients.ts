import type { Method } from '@lockstep/rpc'
import type {
  ListRecipientsRequest,
  ListRecipientsResponse,
  Recipient,
} from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/campaigns.ts'
import { type ListedRecipient, recipientPage } from '../db/recipient-list.ts'
import { isPossiblySent, recipientReason } from '../outcomes/unconfirmed.ts'

const maxPage = 1_000

/**
 * A campaign's recipients in id order, of one state where it is named; `after` is the `next` of the
 * page before.
 */
export const listRecipients: Method<Context, ListRecipientsRequest, ListRecipientsResponse> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await findCampaign(tx, requireId(request.campaignId, 'campaign'))
    const after = /^\d{1,18}$/.test(request.after) ? request.after : '0'
    const limit = Math.min(request.limit || 100, maxPage)
    const { rows, next } = await recipientPage(tx, {
      campaignId: id,
      state: request.state,
      after,
      limit,
    })
    return { recipients: rows.map((row) => toRecipient(row, ctx.now())), next: next ?? '' }
  })

function toRecipient(
  { claimedAt, wasResent, ...recipient }: ListedRecipient,
  nowMs: number,
): Recipient {
  const isOld = claimedAt !== null && isPossiblySent(claimedAt, nowMs)
  return { ...recipient, reason: recipientReason({ ...recipient, isOld, wasResent }) }
}
