import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  AuditEntry,
  FinishOrderRequest,
  FinishOrderResponse,
  ListAuditEntriesRequest,
  ListAuditEntriesResponse,
  RecordOrderRequest,
  RecordOrderResponse,
} from '@lockstep/rpc/gen/accounts'
import { pageLimit } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { type AuditEntryRow, auditPage, finishAuditEntry } from '../db/audit-entries.ts'

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms))

/** What was done in the account, newest first. */
export const listAuditEntries: Method<
  Context,
  ListAuditEntriesRequest,
  ListAuditEntriesResponse
> = async (ctx, { fromMs, untilMs, ...request }, call) => {
  if (request.beforeId && !/^\d{1,18}$/.test(request.beforeId))
    throw new AppError('invalid', '"before_id" is not the id of an entry')
  const limit = pageLimit(request.limit, 100, 1_000)
  const asked = { ...request, from: dateOf(fromMs), until: dateOf(untilMs), limit }
  const rows = await ctx.db.transaction(call.accountId, (tx) => auditPage(tx, asked))
  return { entries: rows.map(entryToProto) }
}

const jsonText = (value: unknown): string => (value === null ? '' : JSON.stringify(value))

function entryToProto({ at, before, after, ...row }: AuditEntryRow): AuditEntry {
  return { ...row, atMs: at.getTime(), beforeJson: jsonText(before), afterJson: jsonText(after) }
}

/** Records an order before another service carries it out. */
export const recordOrder: Method<Context, RecordOrderRequest, RecordOrderResponse> = async (
  ctx,
  { afterJson, ...deed },
  call,
) => {
  const after = afterJson ? JSON.parse(afterJson) : undefined
  const id = await ctx.db.transaction(call.accountId, (tx) =>
    record(ctx, tx, call, { ...deed, after, outcome: 'unknown' }),
  )
  return { id }
}

/** Says what became of an order, once. */
export const finishOrder: Method<Context, FinishOrderRequest, FinishOrderResponse> = async (
  ctx,
  request,
  call,
) => {
  await ctx.db.transaction(call.accountId, (tx) => finishAuditEntry(tx, request))
  return {}
}
