import { z } from 'zod'
import { wholeText } from '../input.ts'
import { route } from '../route.ts'
import { nextAfter } from '../to-json.ts'

const query = z.strictObject({
  after_line: wholeText(0, 2_147_483_647).default(0),
  limit: wholeText(1, 1_000).default(100),
})

/** Rows that were not imported, in line order. */
export const listImportErrors = route({
  method: 'GET',
  path: '/v1/contact-imports/:id/errors',
  does: 'Lists the rows of an import that were rejected, each with its line and the reason.',
  query,
  run: async (ctx, { id, query: { after_line, limit } }, call) => {
    const { errors } = await ctx.peers.contacts.listImportErrors(
      { id, afterLine: after_line, limit },
      call,
    )
    return {
      errors: errors.map(({ line, reason }) => ({ line, reason })),
      next_after_line: nextAfter(errors, limit, ({ line }) => line),
    }
  },
})
