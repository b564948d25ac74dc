import { z } from 'zod'
import { page, serial, text } from '../input.ts'
import { route } from '../route.ts'
import { accountEventToJson, nextAfter } from '../to-json.ts'

/** What Meta said about the account's WABAs and numbers. */
export const listAccountEvents = route({
  method: 'GET',
  path: '/v1/account-events',
  does: 'Lists what Meta said about the numbers and their WABAs, last received first, in words; ?waba_id= and ?field= narrow it.',
  query: z.strictObject({
    waba_id: text().optional(),
    field: text(128).optional(),
    ...page(serial, 1_000),
  }),
  run: async (ctx, { query: { waba_id = '', field = '', after = '', limit } }, call) => {
    const { events } = await ctx.peers.accounts.listAccountEvents(
      { wabaId: waba_id, field, limit, beforeId: after },
      call,
    )
    return {
      events: events.map(accountEventToJson),
      next_after: nextAfter(events, limit, (event) => event.id),
    }
  },
})
