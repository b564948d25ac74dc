import { z } from 'zod'
import { oneOf, page, serial } from '../input.ts'
import { route } from '../route.ts'
import { recipientToJson } from '../to-json.ts'

const state = oneOf([
  'queued',
  'sending',
  'accepted',
  'sent',
  'delivered',
  'read',
  'failed',
  'rejected',
  'skipped',
  'unknown',
])

/** A campaign's recipients, page by page. */
export const listRecipients = route({
  method: 'GET',
  path: '/v1/campaigns/:id/recipients',
  does: 'Lists the recipients of a campaign in id order; ?state= narrows it, ?after= is the next_after of the page before.',
  query: z.strictObject({ state: state.optional(), ...page(serial, 1_000) }),
  run: async (ctx, { id, query: { state = '', after = '', limit } }, call) => {
    const { recipients, next } = await ctx.peers.campaigns.listRecipients(
      { campaignId: id, state, after, limit },
      call,
    )
    return { recipients: recipients.map(recipientToJson), next_after: next || null }
  },
})
