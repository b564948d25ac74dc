import type { Method } from '@lockstep/rpc'
import type { EndpointId, TestEndpointResponse } from '@lockstep/rpc/gen/events'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { secretsOf } from '../deliveries/deliver-due.ts'
import { requireEndpoint } from '../endpoints/require-endpoint.ts'

/** Shorter than the deadline of the call. */
const timeoutMs = 8_000

/** Posts `webhook.test` at once and once; nothing is kept of it. */
export const testEndpoint: Method<Context, EndpointId, TestEndpointResponse> = async (
  ctx,
  { id },
  { accountId, signal },
) => {
  const endpoint = await ctx.db.transaction(accountId, (tx) => requireEndpoint(tx, id))
  const event = {
    ...{ id: '0', topic: 'webhooks', kind: 'webhook.test', subject_id: endpoint.id },
    ...{ body: {}, occurred_at: new Date(ctx.now()) },
  }
  const timeout = AbortSignal.timeout(timeoutMs)
  const target = { url: endpoint.url, secrets: secretsOf(ctx, endpoint) }
  const message = { id: `${accountId}.test-${uuid()}`, body: JSON.stringify(event) }
  const either = signal ? AbortSignal.any([signal, timeout]) : timeout
  const { status, error, durationMs } = await ctx.poster
    .post(target, message, ctx.now(), either)
    .catch((reason: unknown) => {
      if (!timeout.aborted) throw reason
      return { status: 0, error: `No answer within ${timeoutMs / 1_000} s`, durationMs: timeoutMs }
    })
  return { delivered: error === '', status, error, durationMs }
}
