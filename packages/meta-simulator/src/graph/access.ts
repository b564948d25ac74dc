import type { FastifyReply } from 'fastify'
import type { Context } from '../context.ts'
import { errorAnswer, type GraphFault, missingObject } from '../graph-errors.ts'
import type { PhoneNumber } from '../state.ts'
import { type GraphRequest, send } from './send.ts'
import { appOfToken, endOfToken, proofFault } from './token-check.ts'

/** The app that speaks by `id|secret`, or the fault; one that the simulator wasn't told of has any secret. */
export function appOf(ctx: Context, req: GraphRequest): { id: string } | GraphFault {
  const [, id, secret] = req.headers.authorization?.match(/^Bearer +(\d+)\|(.+)$/i) ?? []
  if (id === undefined) return { code: 200 }
  const known = ctx.world.apps.get(id)
  // [U] What Graph says to a wrong app secret.
  if (known && known.secret !== secret)
    return { code: 190, message: 'Invalid OAuth access token signature.' }
  return (known && proofFault(known, `${id}|${secret}`, req)) ?? { id }
}

/** `GET /{version}/{app-id}` by an app's own token; undefined for every other request. */
export function appNode(ctx: Context, req: GraphRequest, reply: FastifyReply) {
  if (!/\|/.test(req.headers.authorization ?? '')) return undefined
  const { id } = req.params
  const app = appOf(ctx, req)
  const fault = 'code' in app ? app : app.id === id ? undefined : missingObject('get', id)
  if (fault) return send(reply, errorAnswer(fault, req.url, id))
  return send(reply, { status: 200, body: { id, name: `App ${id}` } })
}

/** `GET /{version}/debug_token?input_token=` (Meta, Facebook Login: debug_token). */
export function debugToken(ctx: Context) {
  return (req: GraphRequest, reply: FastifyReply) => {
    const app = appOf(ctx, req)
    if ('code' in app) return send(reply, errorAnswer(app, req.url, ''))
    const token = req.query.input_token ?? ''
    const number = ctx.world.numbers.values().find((each) => each.token === token)
    if (!number)
      return send(reply, { status: 200, body: { data: invalid('Invalid OAuth access token.') } })
    const owner = appOfToken(ctx, number, app.id)
    if (owner !== app.id) {
      const message = '(#100) The App_id in the input_token did not match the Viewing App'
      return send(reply, errorAnswer({ code: 100, message }, req.url, ''))
    }
    return send(reply, { status: 200, body: { data: tokenNode(number, owner) } })
  }
}

const invalid = (message: string, subcode?: number) => ({
  error: { code: 190, message, ...(subcode && { subcode }) },
  is_valid: false,
  scopes: [],
})

function tokenNode(number: PhoneNumber, appId: string): Record<string, unknown> {
  const { tokenExpiresAtMs, dataAccessExpiresAtMs, scopes } = number
  const end = endOfToken(number)
  if (end)
    return {
      app_id: appId,
      expires_at: secondsOf(tokenExpiresAtMs),
      ...invalid(end.message!, end.subcode),
    }
  return {
    app_id: appId,
    type: 'SYSTEM_USER',
    application: `App ${appId}`,
    data_access_expires_at: secondsOf(dataAccessExpiresAtMs),
    expires_at: secondsOf(tokenExpiresAtMs),
    is_valid: true,
    scopes,
  }
}

/** Meta writes 0 for no end. */
const secondsOf = (atMs: number | null): number => (atMs === null ? 0 : Math.floor(atMs / 1_000))
