import { z } from 'zod'
import { serial } from '../input.ts'
import { route } from '../route.ts'

const recipientIds = z
  .array(serial, { error: 'must be a list of recipient ids' })
  .max(10_000, 'must name at most 10000 recipients')

/** A person's decision to risk a second message to those whose first may or may not have gone out. */
export const resendUnknown = route({
  method: 'POST',
  path: '/v1/campaigns/:id/resend-unknown',
  does: 'Sends again to recipients whose message may or may not have gone out: those named in recipient_ids, or all that are older than 15 minutes.',
  ifUnknown: 'Look at GET /v1/campaigns/:id before you try again with a new key.',
  body: z.strictObject({ recipient_ids: recipientIds.default([]) }),
  run: async (ctx, { id, body }, call) => {
    const { queued } = await ctx.peers.campaigns.resendUnknown(
      { campaignId: id, recipientIds: body.recipient_ids },
      call,
    )
    return { queued }
  },
})
