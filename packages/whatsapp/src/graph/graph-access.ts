import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { cleanJson, listOf, objectOf, textOf } from '../json.ts'
import { appSecretProof } from '../signature.ts'
import { type GraphAccess, type GraphRequests, pathPart } from './graph-requests.ts'

/** An app, as Meta knows it. */
export interface AppIdentity {
  metaAppId: string
  appSecret: string
}

/** What Meta says of an access token to the app that it was made for (Meta, debug_token). */
export interface GraphToken {
  isValid: boolean
  /** Meta's own sentence about an invalid one; empty when it says none. */
  problem: string
  metaAppId: string
  scopes: string[]
  /** Null when it has no end. */
  expiresAtMs: number | null
  /** When what it may read ends, though the token doesn't; null for never. */
  dataAccessExpiresAtMs: number | null
}

interface TokenQuestion extends AppIdentity {
  token: string
  signal?: AbortSignal
}

interface WabaQuestion extends GraphAccess {
  wabaId: string
  signal?: AbortSignal
}

/** An app speaks for itself by its id and secret. */
export const appAccess = ({ metaAppId, appSecret }: AppIdentity): GraphAccess =>
  provenAccess(`${metaAppId}|${appSecret}`, appSecret)

/** A token with its proof by the secret of its app. */
export const provenAccess = (token: string, appSecret: string): GraphAccess => ({
  token,
  proof: appSecretProof(token, appSecret),
})

/** Throws AppError `precondition` unless the secret is that of the app. */
export async function checkApp(
  requests: GraphRequests,
  { signal, ...app }: AppIdentity & { signal?: AbortSignal },
): Promise<void> {
  const how = { ...appAccess(app), secret: app.appSecret, ...(signal && { signal }) }
  await requests.get(`/${pathPart(app.metaAppId)}?fields=id`, how)
}

export async function inspectToken(
  requests: GraphRequests,
  { token, signal, ...app }: TokenQuestion,
): Promise<GraphToken> {
  const query = new URLSearchParams({ input_token: token })
  const how = { ...appAccess(app), secret: token, ...(signal && { signal }) }
  return readToken(await requests.get(`/debug_token?${query}`, how))
}

/** Subscribes the token's app to a WABA; answers the ids of all apps that are subscribed then. */
export async function subscribeApp(
  requests: GraphRequests,
  { wabaId, ...how }: WabaQuestion,
): Promise<string[]> {
  await requests.post(`/${pathPart(wabaId)}/subscribed_apps`, how)
  const list = { nodeId: wabaId, edge: 'subscribed_apps', fields: '', read: readSubscribedPage }
  const pages = await Array.fromAsync(requests.pages(list, how))
  return pages.flatMap(({ ids }) => ids)
}

const seconds = z.number().catch(0)
const tokenShape = z.object({
  is_valid: z.boolean(),
  app_id: z.coerce.string().catch(''),
  scopes: z.array(z.string()).catch([]),
  expires_at: seconds,
  data_access_expires_at: seconds,
  error: z.unknown().optional(),
})

/** Meta writes 0 for no end. */
const endMs = (seconds: number): number | null => (seconds > 0 ? seconds * 1_000 : null)

function readToken(body: unknown): GraphToken {
  const read = tokenShape.safeParse(objectOf(cleanJson(body)).data)
  if (!read.success)
    throw new AppError('busy', 'Meta answered without a token. Try again later.', {
      cause: read.error,
    })
  const { is_valid, app_id, scopes, error, expires_at, data_access_expires_at } = read.data
  return {
    isValid: is_valid,
    problem: textOf(objectOf(error).message) ?? '',
    metaAppId: app_id,
    scopes,
    expiresAtMs: endMs(expires_at),
    dataAccessExpiresAtMs: endMs(data_access_expires_at),
  }
}

function readSubscribedPage(body: unknown): { ids: string[]; after: string | undefined } {
  const { data, paging } = objectOf(cleanJson(body))
  const ids = listOf(data).map((item) =>
    String(objectOf(objectOf(item).whatsapp_business_api_data).id),
  )
  const { next, cursors } = objectOf(paging)
  const after = typeof next === 'string' ? textOf(objectOf(cursors).after) : undefined
  return { ids, after }
}
