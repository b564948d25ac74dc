import { setTimeout as pause } from 'node:timers/promises'
import { AppError, failureOf, secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { webhookFields } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { findApp } from '../db/apps.ts'
import type { App } from '../db/entities.ts'
import { appSecretOf } from '../secrets/app-secret.ts'
import { callbackUrlOf } from './callback-url.ts'

/** The gateway may not have read an app, or its new verify token, when Meta asks. */
const mostTries = 3

interface Wish {
  /** In the place of an address of somebody else's. */
  replace: boolean
  signal: AbortSignal | undefined
}

/**
 * Has Meta post an app's webhooks here, for which Meta asks the gateway with the verify token.
 * Throws `precondition`, in words, when they go elsewhere or the answer was not the challenge.
 */
export async function verifyWebhook(
  ctx: Context,
  app: App,
  { replace, signal }: Wish,
): Promise<void> {
  const { id, accountId, metaAppId } = app
  const callbackUrl = callbackUrlOf(ctx.config, id)
  if (!callbackUrl)
    throw new AppError(
      'precondition',
      'This system has no public address for webhooks: set LOCKSTEP_WEBHOOK_URL of the service accounts',
    )
  const appSecret = appSecretOf(ctx, app)
  const how = { metaAppId, appSecret, ...(signal && { signal }) }
  const known = await ctx.graph.webhookSubscription(how)
  if (known && known.callbackUrl !== callbackUrl && !replace)
    throw elsewhere(app, known, callbackUrl)
  const place = secretPlaces.appVerifyToken(id, accountId)
  const verifyToken = ctx.secrets.open(app.sealedVerifyToken, place)
  const fields = [...new Set([...(known?.fields ?? []), ...webhookFields])]
  await subscribe(ctx, { ...how, callbackUrl, verifyToken, fields })
}

const elsewhere = ({ metaAppId }: App, { callbackUrl }: { callbackUrl: string }, own: string) =>
  new AppError(
    'precondition',
    `Meta posts the webhooks of the app ${metaAppId} to ${callbackUrl}, which is not ${own}. Set the callback URL in the app's settings at Meta, or have it replaced (POST /v1/apps/:id/verify-webhook with "replace": true)`,
  )

async function subscribe(
  { graph, times }: Context,
  asked: Parameters<Context['graph']['subscribeWebhook']>[0],
): Promise<void> {
  for (let nth = 1; ; nth++)
    try {
      return await graph.subscribeWebhook(asked)
    } catch (error) {
      if (failureOf(error) !== 'precondition') throw error
      if (nth === mostTries) throw refused(error as AppError, asked.callbackUrl)
      await pause(times.handshakePauseMs, undefined, { signal: asked.signal })
    }
}

function refused({ message, details }: AppError, callbackUrl: string): AppError {
  const said = (details as { details?: string } | undefined)?.details
  return new AppError(
    'precondition',
    `${callbackUrl} did not pass Meta's handshake. ${message}${said ? ` Meta says: ${said}.` : ''} 403 means that the gateway there knows another verify token, 404 that it doesn't know the app.`,
    { details },
  )
}

/**
 * Before a number of the app is connected: whether Meta had to be asked. Without an address of our
 * own nothing is checked.
 */
export async function requireWebhook(
  ctx: Context,
  app: App,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!ctx.config.webhookUrl || app.webhookVerifiedAt) return false
  await verifyWebhook(ctx, app, { replace: false, signal })
  return true
}

/** Notes that Meta's handshake has succeeded, if it was with the verify token that the app still has. */
export async function noteVerified(ctx: Context, tx: Tx, app: App): Promise<App> {
  const now = await findApp(tx, app.id, { lock: true })
  const isSame = Buffer.compare(now.sealedVerifyToken, app.sealedVerifyToken) === 0
  if (isSame) now.webhookVerifiedAt = new Date(ctx.now())
  return now
}
