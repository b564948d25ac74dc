import type { Method } from '@lockstep/rpc'
import type { GetWebhookAppRequest, GetWebhookAppResponse } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { webhookApp } from '../db/queries.ts'

/** What the gateway must know of one app: its sealed secrets, and the numbers and WABAs that it may speak for. */
export const getWebhookApp: Method<Context, GetWebhookAppRequest, GetWebhookAppResponse> = async (ctx, request) => {
  const found = await ctx.db.system((tx) => webhookApp(tx, requireId(request.id, 'app')))
  if (!found) return { app: undefined, phoneNumberIds: [], wabaIds: [] }
  const { phoneNumberIds, wabaIds, sealedPreviousSecret, ...app } = found
  return { app: { ...app, sealedPreviousSecret: sealedPreviousSecret ?? Buffer.alloc(0) }, phoneNumberIds, wabaIds }
}
