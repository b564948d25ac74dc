import { z } from 'zod'
import { page, serial, text, timeText } from '../input.ts'
import { metaJson, nextCursor, textOrNull, time } from '../response.ts'
import { route } from '../route.ts'

const entry = z
  .object({
    id: z.string(),
    at: time,
    action: z.string(),
    actor_kind: z.string(),
    actor_id: textOrNull,
    actor_name: textOrNull,
    address: textOrNull,
    request_id: textOrNull,
    target_kind: z.string(),
    target_id: textOrNull,
    before: metaJson,
    after: metaJson,
    outcome: z.string(),
  })
  .meta({ id: 'AuditEntry' })

export const listAuditLog = route({
  method: 'GET',
  path: '/v1/audit-log',
  right: 'audit.read',
  summary:
    'Lists who did what to what, newest first, of the actor, action, target and time that are named. Pages of 1,000 are for exports.',
  query: z.strictObject({
    action: text(64).optional(),
    actor_id: text(64).optional(),
    target_id: text(64).optional(),
    from: timeText.optional(),
    until: timeText.optional(),
    ...page(serial, 1_000),
  }),
  response: z.object({ entries: z.array(entry), next_cursor: z.string().nullable() }),
  run: async (ctx, { query }, call) => {
    const { action, actor_id: actorId, target_id: targetId, from, until, cursor, limit } = query
    const asked = {
      action,
      actorId,
      targetId,
      fromMs: from,
      untilMs: until,
      beforeId: cursor,
      limit,
    }
    const { entries } = await ctx.peers.accounts.listAuditEntries(asked, call)
    return { entries, nextCursor: nextCursor(entries, limit, (row) => row.id) }
  },
})
