import { z } from 'zod'
import { page, serial, text } from '../input.ts'
import { metaJson, nextCursor, time } from '../response.ts'
import { route } from '../route.ts'

const event = z
  .object({
    id: z.string(),
    waba_id: z.string(),
    field: z.string(),
    event: z.string(),
    summary: z.string(),
    value: metaJson,
    occurred_at: time,
    received_at: time,
  })
  .meta({ id: 'AccountEvent' })

export const listAccountEvents = route({
  method: 'GET',
  path: '/v1/account-events',
  right: 'connections.read',
  summary:
    'Lists what Meta said about the numbers and their WABAs, last received first; ?waba_id= and ?field= narrow it.',
  query: z.strictObject({
    waba_id: text().optional(),
    field: text(128).optional(),
    ...page(serial, 1_000),
  }),
  response: z.object({ events: z.array(event), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { waba_id = '', field = '', cursor = '', limit } }, call) => {
    const { events } = await ctx.peers.accounts.listAccountEvents(
      { wabaId: waba_id, field, limit, beforeId: cursor },
      call,
    )
    return { events, nextCursor: nextCursor(events, limit, (row) => row.id) }
  },
})
