import { AppError } from '@lockstep/contracts'
import { cleanJson, objectOf, textOf } from '../json.ts'
import type { AppIdentity } from './graph-access.ts'
import { type GraphAccess, type GraphRequests, pathPart } from './graph-requests.ts'

export interface CodeQuestion extends AppIdentity {
  code: string
  signal?: AbortSignal
}

/** Meta, embedded-signup/onboarding-customers: by the app's id and secret, without a token. */
export async function exchangeCode(
  requests: GraphRequests,
  { metaAppId, appSecret, code, signal }: CodeQuestion,
): Promise<string> {
  const query = new URLSearchParams({ client_id: metaAppId, client_secret: appSecret, code })
  const how = { token: '', proof: '', secret: appSecret, ...(signal && { signal }) }
  const body = await requests.get(`/oauth/access_token?${query}`, how)
  const token = textOf(objectOf(cleanJson(body)).access_token)
  if (token) return token
  throw new AppError('busy', 'Meta answered without an access token. Try again later.')
}

/** Meta, cloud-api/reference/registration. */
export async function registerNumber(
  requests: GraphRequests,
  {
    phoneNumberId,
    pin,
    ...how
  }: GraphAccess & {
    phoneNumberId: string
    pin: string
    signal?: AbortSignal
  },
): Promise<void> {
  const body = { messaging_product: 'whatsapp', pin }
  await requests.post(`/${pathPart(phoneNumberId)}/register`, { ...how, secret: pin }, body)
}
