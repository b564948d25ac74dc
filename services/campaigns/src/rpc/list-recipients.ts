import { query, sql } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { ListRecipientsRequest, ListRecipientsResponse, Recipient } from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/queries.ts'
import { isPossiblySent, recipientWords } from '../unknown.ts'

const maxPage = 1_000

type Row = Recipient & { claimedAt: Date | null; wasOrdered: boolean }

/** A campaign's recipients in id order, of one state where it is named; `after` is the last id of the page before. */
export const listRecipients: Method<Context, ListRecipientsRequest, ListRecipientsResponse> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await findCampaign(tx, requireId(request.campaignId, 'campaign'))
    const after = /^\d{1,18}$/.test(request.after) ? request.after : '0'
    const limit = Math.min(request.limit || 100, maxPage)
    const rows = await query<Row>(
      tx,
      sql`select r.id::text, r.contact_id as "contactId", r.phone, r.state, r.reason, coalesce(a.wamid, '') as wamid, r.attempts,
                 a.claimed_at as "claimedAt",
                 exists (select from attempts o where o.recipient_id = r.id and o.ordered_at is not null) as "wasOrdered"
          from recipients r left join attempts a on a.id = r.attempt_id
          where r.campaign_id = ${id} and r.id > ${after}::bigint and (${request.state} = '' or r.state = ${request.state})
          order by r.id limit ${limit}`,
    )
    return { recipients: rows.map((row) => toRecipient(row, ctx.now())) }
  })

function toRecipient({ claimedAt, wasOrdered, ...recipient }: Row, nowMs: number): Recipient {
  const isOld = claimedAt !== null && isPossiblySent(claimedAt, nowMs)
  return { ...recipient, reason: recipientWords({ ...recipient, isOld, wasOrdered }) }
}
