import { cleanJson, listOf, objectOf, textOf } from '../json.ts'
import { type AppIdentity, appAccess } from './graph-access.ts'
import { type GraphRequests, pathPart } from './graph-requests.ts'

/** Where Meta posts an app's webhooks about WhatsApp. */
export interface WebhookSubscription {
  callbackUrl: string
  isActive: boolean
  fields: string[]
}

interface AppQuestion extends AppIdentity {
  signal?: AbortSignal
}

export interface SubscribeWebhookRequest extends AppQuestion {
  callbackUrl: string
  /** Meta asks the callback URL with it, and must get its challenge back. */
  verifyToken: string
  fields: readonly string[]
}

const object = 'whatsapp_business_account'

const pathOf = ({ metaAppId }: AppIdentity) => `/${pathPart(metaAppId)}/subscriptions`

const accessOf = ({ signal, ...app }: AppQuestion) => ({
  ...appAccess(app),
  secret: app.appSecret,
  ...(signal && { signal }),
})

/** Null when the app has none (Meta, graph-api/reference/app/subscriptions). */
export async function webhookSubscription(
  requests: GraphRequests,
  app: AppQuestion,
): Promise<WebhookSubscription | null> {
  const body = await requests.get(pathOf(app), accessOf(app))
  const all = listOf(objectOf(cleanJson(body)).data).map(objectOf)
  const own = all.find((each) => each.object === object)
  if (!own) return null
  return {
    callbackUrl: textOf(own.callback_url) ?? '',
    isActive: own.active === true,
    fields: listOf(own.fields).flatMap((field) => textOf(objectOf(field).name) ?? []),
  }
}

/**
 * Meta asks the callback URL before it answers: throws AppError `precondition` with its words when
 * that did not give the challenge back. In the place of the subscription before.
 */
export async function subscribeWebhook(
  requests: GraphRequests,
  { callbackUrl, verifyToken, fields, ...app }: SubscribeWebhookRequest,
): Promise<void> {
  await requests.post(pathOf(app), accessOf(app), {
    ...{ object, callback_url: callbackUrl, verify_token: verifyToken },
    ...{ fields: fields.join(','), include_values: true },
  })
}
