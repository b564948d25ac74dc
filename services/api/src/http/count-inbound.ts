import { z } from 'zod'
import { id, wholeText } from '../input.ts'
import { route } from '../route.ts'

/** The last moment that ISO 8601 and JavaScript know. */
const lastMs = 8_640_000_000_000_000

/** How many messages people sent to a number. */
export const countInbound = route({
  method: 'GET',
  path: '/v1/inbound-count',
  does: 'Counts the messages that people sent to a number (?connection_id=) at or after a time (?since_ms=).',
  query: z.strictObject({ connection_id: id, since_ms: wholeText(0, lastMs).default(0) }),
  run: async (ctx, { query: { connection_id, since_ms } }, call) => {
    // Whose it is: nothing can be counted in another account's number, but that would look like silence.
    const { id: connectionId } = await ctx.peers.accounts.getConnection({ id: connection_id }, call)
    const { messages } = await ctx.peers.conversations.countInbound(
      { connectionId, sinceMs: since_ms },
      call,
    )
    return { messages }
  },
})
