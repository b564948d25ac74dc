import { laneSettings, secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import { counter, histogram } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import {
  type AttemptResult,
  type DueDelivery,
  dueDeliveries,
  type EndpointKey,
  nextDeliveryMs,
  writeResults,
} from '../db/deliveries.ts'
import { type EndpointRow, findEndpoint, lockEndpoint, writeEndpoint } from '../db/endpoints.ts'
import type { Posted } from '../posting/poster.ts'
import { messageOf } from './message.ts'
import { retryAfterMs } from './schedule.ts'

/** Posts to one endpoint at a time, each about another subject. */
const maxAtOnce = 8
const gone = 410
const dayMs = 86_400_000

const posts = counter('lockstep_webhook_posts_total', 'Posts to webhook endpoints, by result')
const postSeconds = histogram('lockstep_webhook_post_seconds', 'Duration of a post', 's')

/**
 * Posts what is due to an endpoint until nothing is, or for a slice; answers in how many ms to go
 * on, null when nothing is pending.
 */
export async function deliverDue(
  ctx: Context,
  key: EndpointKey,
  signal: AbortSignal,
): Promise<number | null> {
  const { accountId, endpointId } = key
  for (const endsAt = performance.now() + laneSettings.sliceMs; ; ) {
    const work = await ctx.db.transaction(accountId, async (tx) => {
      const endpoint = await findEndpoint(tx, endpointId)
      if (!endpoint?.enabled) return null
      const due = await dueDeliveries(tx, endpointId, maxAtOnce)
      return { endpoint, due, nextMs: due.length > 0 ? 0 : await nextDeliveryMs(tx, endpointId) }
    })
    if (!work) return null
    if (work.due.length === 0) return work.nextMs
    const target = { url: work.endpoint.url, secrets: secretsOf(ctx, work.endpoint) }
    const results = await Promise.all(
      work.due.map(async (due) =>
        resultOf(ctx, due, await post(ctx, target, accountId, due, signal)),
      ),
    )
    await ctx.db.transaction(accountId, (tx) => record(ctx, tx, endpointId, results), { signal })
    if (performance.now() > endsAt) return 0
  }
}

/** The newer first; the one before as long as it is good. */
export function secretsOf(ctx: Context, endpoint: EndpointRow): string[] {
  const { id, accountId, sealedSecret, sealedPrevious, previousUntil } = endpoint
  const place = secretPlaces.webhookEndpoint(id, accountId)
  const isGood = sealedPrevious && previousUntil && previousUntil.getTime() > ctx.now()
  return [sealedSecret, ...(isGood ? [sealedPrevious] : [])].map((sealed) =>
    ctx.secrets.open(sealed, place),
  )
}

async function post(
  ctx: Context,
  target: { url: string; secrets: string[] },
  accountId: string,
  due: DueDelivery,
  signal: AbortSignal,
): Promise<Posted> {
  if (due.body === null) return { status: 0, error: 'The event is kept no longer', durationMs: 0 }
  const posted = await ctx.poster.post(target, messageOf(accountId, due), ctx.now(), signal)
  postSeconds(posted.durationMs / 1_000)
  return posted
}

function resultOf(ctx: Context, due: DueDelivery, { status, error }: Posted): AttemptResult {
  const { id, subjectId, attempts } = due
  const isDelivered = error === ''
  posts(1, { result: isDelivered ? 'delivered' : 'failed' })
  const wait = isDelivered || due.body === null ? null : retryAfterMs(attempts + 1, Math.random())
  const state = isDelivered ? 'delivered' : wait === null ? 'failed' : 'pending'
  const retryMs = wait === null ? null : wait * ctx.scale
  return { id, subjectId, attempts, state, retryMs, status, error }
}

async function record(
  ctx: Context,
  tx: Tx,
  endpointId: string,
  results: AttemptResult[],
): Promise<void> {
  const endpoint = await lockEndpoint(tx, endpointId)
  if (!endpoint) return
  await writeResults(tx, endpointId, results)
  const isAccepted = results.some(({ state }) => state === 'delivered')
  const failingSince = isAccepted ? null : (endpoint.failingSince ?? new Date(ctx.now()))
  const reason = reasonToDisable(ctx, results, failingSince)
  const isSame = failingSince?.getTime() === endpoint.failingSince?.getTime()
  if (isSame && !reason) return
  const disabled = reason ? { enabled: false, disabledReason: reason } : {}
  await writeEndpoint(tx, { ...endpoint, failingSince, ...disabled })
  if (!reason || !endpoint.enabled) return
  const { id, url } = endpoint
  await announce(ctx, tx, { kind: 'webhook.disabled', subjectId: id, body: { url, reason } })
  tx.afterCommit(() => ctx.log.warn({ endpoint: id, reason }, 'A webhook endpoint was disabled'))
}

function reasonToDisable(
  ctx: Context,
  results: AttemptResult[],
  failingSince: Date | null,
): string | null {
  if (results.some(({ status }) => status === gone))
    return 'It was answered 410: the endpoint is gone'
  const days = ctx.config.webhookDisableDays
  if (failingSince && ctx.now() - failingSince.getTime() > days * dayMs)
    return `No post was accepted for ${days} days`
  return null
}
