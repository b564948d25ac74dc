import type { Call } from '@lockstep/rpc'
import type { AuditEntry } from '@lockstep/rpc/gen/accounts'
import { z } from 'zod'
import { requireAccess } from '../access.ts'
import type { Context } from '../context.ts'
import { csvLine } from '../csv.ts'
import { page, serial, text, timeText } from '../input.ts'
import { pagesOf } from '../live/pages.ts'
import { encode, metaJson, nextCursor, textOrNull, time } from '../response.ts'
import { type AskedStream, route } from '../route.ts'

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

const asked = z.strictObject({
  action: text(64).optional(),
  actor_id: text(64).optional(),
  target_id: text(64).optional(),
  from: timeText.optional(),
  until: timeText.optional(),
  ...page(serial, 1_000),
})
type Asked = z.output<typeof asked>

export const listAuditLog = route({
  method: 'GET',
  path: '/v1/audit-log',
  right: 'audit.read',
  summary:
    'Lists who did what to what, newest first, of the actor, action, target and time that are named. With "Accept: text/csv" or "application/x-ndjson" all of it comes as one file, from ?cursor= on.',
  query: asked,
  response: z.object({ entries: z.array(entry), next_cursor: z.string().nullable() }),
  downloads: {
    'text/csv': (ctx, stream) => download(ctx, stream, csvPage, csvLine(columns)),
    'application/x-ndjson': (ctx, stream) => download(ctx, stream, jsonLines, ''),
  },
  run: async (ctx, { query }, call) => {
    const entries = await readPage(ctx, query, call)
    return { entries, nextCursor: nextCursor(entries, query.limit, (row) => row.id) }
  },
})

async function readPage(
  ctx: Context,
  { action, actor_id: actorId, target_id: targetId, from, until, cursor, limit }: Asked,
  call: Call,
): Promise<AuditEntry[]> {
  const named = { action, actorId, targetId, fromMs: from, untilMs: until, beforeId: cursor, limit }
  return (await ctx.peers.accounts.listAuditEntries(named, call)).entries
}

/** Rows that are in memory at a time. */
const rowsAtOnce = 500
const columns = Object.keys(entry.shape)

const encoded = (rows: readonly AuditEntry[]) =>
  rows.map((row) => encode(entry, row) as Record<string, unknown>)

const jsonLines = (rows: readonly AuditEntry[]): string =>
  encoded(rows)
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('')

const csvPage = (rows: readonly AuditEntry[]): string =>
  encoded(rows)
    .map((row) => csvLine(columns.map((name) => row[name])))
    .join('')

/** What matches, as one file; its first page is read before the answer begins. */
async function download(
  ctx: Context,
  { caller, response, authenticate, ...stream }: AskedStream,
  text: (rows: readonly AuditEntry[]) => string,
  head: string,
): Promise<AsyncIterable<string>> {
  const query = { ...(stream.query as Asked), limit: rowsAtOnce }
  const call = { accountId: caller.accountId }
  const recheck = async () => requireAccess(await authenticate(), 'audit.read')
  const signal = ctx.streams.begin({ ...call, response, recheck })
  const first = await readPage(ctx, query, call)
  const readAfter = (cursor: string) => readPage(ctx, { ...query, cursor }, call)
  return withHead(head, pagesOf({ first, readAfter, limit: rowsAtOnce, text }, signal))
}

async function* withHead(head: string, pages: AsyncIterable<string>): AsyncGenerator<string> {
  if (head) yield head
  yield* pages
}
