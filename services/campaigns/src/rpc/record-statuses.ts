import type { Method } from '@lockstep/rpc'
import type {
  RecordStatusesRequest,
  RecordStatusesResponse,
  StatusFact,
} from '@lockstep/rpc/gen/campaigns'
import { statusChange } from '@lockstep/sending'
import type { Context } from '../context.ts'
import { attemptsByWamid, type SentMessage } from '../db/attempts.ts'
import { applyChanges } from '../outcomes/apply-changes.ts'
import type { CampaignChange } from '../outcomes/campaign-change.ts'
import { recordRefusals, refusalsIn } from '../outcomes/refusals.ts'

/**
 * Adds statuses to attempts that are found by wamid, of all campaigns at once; answers which wamids
 * are of campaigns.
 */
export const recordStatuses: Method<
  Context,
  RecordStatusesRequest,
  RecordStatusesResponse
> = async (ctx, { statuses }) => {
  if (statuses.length === 0) return { matchedWamids: [] }
  const messages = [...new Map(statuses.map((status) => [keyOf(status), status])).values()]
  const accountIds = [...new Set(messages.map(({ accountId }) => accountId))]
  const sent = await ctx.db.transaction(accountIds, (tx) => attemptsByWamid(tx, messages))
  const found = new Map(sent.map((row) => [keyOf(row), row]))
  await recordRefusals(
    ctx,
    statuses.flatMap((status) => {
      const attempt = found.get(keyOf(status))
      return attempt
        ? refusalsIn(attempt, [status.errorCode, ...status.errorCodes], new Date(status.atMs))
        : []
    }),
  )
  return ctx.db.transaction(accountIds, async (tx) => {
    const changes = statuses.flatMap((status): CampaignChange[] => {
      const attempt = found.get(keyOf(status))
      const change = changeOf(status, ctx.now())
      return attempt && change ? [{ ...attempt, change }] : []
    })
    await applyChanges(ctx, tx, changes)
    return { matchedWamids: [...found.values()].map(({ wamid }) => wamid) }
  })
}

const keyOf = ({ accountId, wamid }: SentMessage): string => `${accountId} ${wamid}`

function changeOf({ wamid, status, atMs, errorCode, errorMessage }: StatusFact, nowMs: number) {
  const errors =
    errorCode === undefined && errorMessage === ''
      ? []
      : [{ code: errorCode ?? null, title: '', details: errorMessage }]
  return statusChange({ wamid, status, timestampMs: atMs, errors }, nowMs)
}
