import type { Method } from '@lockstep/rpc'
import type { GetWebhookAppRequest, GetWebhookAppResponse } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { webhookApp } from '../db/apps.ts'

/**
 * What the gateway must know of one app: its sealed secrets, and the numbers and WABAs that it may
 * speak for.
 */
export const getWebhookApp: Method<Context, GetWebhookAppRequest, GetWebhookAppResponse> = async (
  ctx,
  request,
) => {
  const found = await ctx.db.system((tx) => webhookApp(tx, requireId(request.id, 'app')))
  if (!found) return { app: undefined, phoneNumberIds: [], wabaIds: [], formerPhoneNumberIds: [] }
  const {
    phoneNumberIds,
    wabaIds,
    formerPhoneNumberIds,
    sealedPreviousSecret,
    previousSecretUntil,
    ...app
  } = found
  const previousValidUntilMs = previousSecretUntil?.getTime()
  const isGood = previousValidUntilMs !== undefined && previousValidUntilMs > ctx.now()
  const previous = isGood
    ? { sealedPreviousSecret: sealedPreviousSecret!, previousValidUntilMs }
    : { sealedPreviousSecret: Buffer.alloc(0) }
  return { app: { ...app, ...previous }, phoneNumberIds, wabaIds, formerPhoneNumberIds }
}
