import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  ReplayWebhooksRequest,
  ReplayWebhooksResponse,
} from '@lockstep/rpc/gen/webhook_gateway'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import {
  lockBodies,
  maxReplayed,
  type PartFilter,
  partsToReplay,
  replaceParts,
} from '../db/replay.ts'
import { countReplayed } from '../metrics.ts'
import { splitBody } from '../parts/split-body.ts'

/**
 * Splits bodies again and opens their new parts in place of the old ones, one batch a call. Effects
 * are rows, so each happens once all the same.
 */
export const replayWebhooks: Method<
  Context,
  ReplayWebhooksRequest,
  ReplayWebhooksResponse
> = async (ctx, request) => {
  const filter = filterOf(request)
  const places = await ctx.db.system((tx) => partsToReplay(tx, filter))
  if (places.length === 0) return { bodies: 0, parts: 0, beforePartId: '' }
  const appIds = [...new Set(places.map(({ appId }) => appId))]
  const apps = new Map(
    await Promise.all(appIds.map(async (id) => [id, await ctx.apps.read(id)] as const)),
  )
  const { bodies, opened } = await ctx.db.system(async (tx) => {
    const bodies = (await lockBodies(tx, places)).map((body) => {
      const app = apps.get(body.appId)
      return {
        ...body,
        accountId: app?.accountId ?? null,
        parts: splitBody(body.raw, app, { tokens: ctx.tokens, isBounded: false }),
      }
    })
    return { bodies, opened: await replaceParts(tx, places, bodies) }
  })
  for (const { lane, key } of opened) ctx.messaging.wake(lane, key)
  countReplayed(bodies.length)
  ctx.log.info({ bodies: bodies.length, opened }, 'webhooks are replayed')
  const parts = opened.reduce((sum, each) => sum + each.parts, 0)
  return { bodies: bodies.length, parts, beforePartId: places.at(-1)!.id }
}

function filterOf({
  bodyIds,
  partIds,
  sinceMs,
  untilMs,
  key,
  outcome,
  beforePartId,
}: ReplayWebhooksRequest): PartFilter {
  if (bodyIds.length + partIds.length + sinceMs + untilMs === 0 && !key && !outcome)
    throw new AppError(
      'invalid',
      'Say which webhooks: by body or part ids, since or until when, by a key or an outcome',
    )
  if (Math.max(bodyIds.length, partIds.length) > maxReplayed)
    throw new AppError('invalid', `At most ${maxReplayed} bodies or parts can be named at a time`)
  for (const id of [...partIds, beforePartId])
    if (!/^\d{0,18}$/.test(id))
      throw new AppError('invalid', `"${id.slice(0, 64)}" is no part's id`)
  return {
    bodyIds: bodyIds.map((id) => requireId(id, 'webhook body')),
    partIds,
    since: sinceMs > 0 ? new Date(sinceMs) : null,
    until: untilMs > 0 ? new Date(untilMs) : null,
    key,
    outcome,
    beforePartId,
  }
}
