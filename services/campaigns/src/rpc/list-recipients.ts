import { query, sql } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { ListRecipientsRequest, ListRecipientsResponse, Recipient } from '@lockstep/rpc/gen/campaigns'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findCampaign } from '../db/queries.ts'

const maxPage = 1_000

/** A campaign's recipients in id order, of one state where it is named; `after` is the last id of the page before. */
export const listRecipients: Method<Context, ListRecipientsRequest, ListRecipientsResponse> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await findCampaign(tx, requireId(request.campaignId, 'campaign'))
    const after = /^\d{1,18}$/.test(request.after) ? request.after : '0'
    const limit = Math.min(request.limit || 100, maxPage)
    const recipients = await query<Recipient>(
      tx,
      sql`select r.id::text, r.contact_id as "contactId", r.phone, r.state, r.reason, coalesce(a.wamid, '') as wamid, r.attempts
          from recipients r left join attempts a on a.id = r.attempt_id
          where r.campaign_id = ${id} and r.id > ${after}::bigint and (${request.state} = '' or r.state = ${request.state})
          order by r.id limit ${limit}`,
    )
    return { recipients }
  })
