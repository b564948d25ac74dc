import type { FastifyReply } from 'fastify'
import type { Context } from '../context.ts'
import { errorAnswer, type GraphFault, missingObject } from '../graph-errors.ts'
import { handshake } from '../handshake.ts'
import { parseBody } from '../send-check.ts'
import { noChange } from '../state.ts'
import { appOf } from './access.ts'
import { type GraphRequest, send } from './send.ts'

const object = 'whatsapp_business_account'

/** `GET /{version}/{app-id}/subscriptions` by the app's own token (Meta, graph-api/reference/app/subscriptions). */
export function subscriptions(ctx: Context) {
  return (req: GraphRequest, reply: FastifyReply) => {
    const { id } = req.params
    const fault = faultOf(ctx, req, 'get')
    if (fault) return send(reply, errorAnswer(fault, req.url, id))
    const { callbackUrl = null, subscribedFields = [] } = ctx.world.apps.get(id) ?? {}
    const fields = subscribedFields.map((name) => ({ name, version: 'v24.0' }))
    const own = { object, callback_url: callbackUrl, active: true, fields }
    return send(reply, { status: 200, body: { data: callbackUrl === null ? [] : [own] } })
  }
}

/** `POST` to the same: asks the callback URL first, and changes nothing unless it gives the challenge back. */
export function subscribe(ctx: Context) {
  return async (req: GraphRequest, reply: FastifyReply) => {
    const { id } = req.params
    const asked = parseBody(req.body as Buffer | undefined)
    const fault = faultOf(ctx, req, 'post') ?? wrongParameter(asked)
    if (fault) return send(reply, errorAnswer(fault, req.url, id))
    const callbackUrl = String(asked.callback_url)
    const verifyToken = String(asked.verify_token)
    const { verified, httpStatus } = await handshake(ctx, callbackUrl, verifyToken)
    if (!verified) {
      const message = `(#2200) Callback verification failed with the following errors: HTTP Status Code = ${httpStatus}`
      return send(reply, errorAnswer({ code: 2200, message, http: 400 }, req.url, id))
    }
    const subscribedFields = String(asked.fields).split(',')
    // Of an app that it wasn't told of nothing is kept.
    const known = ctx.world.apps.get(id)
    const apps = known ? [{ ...known, callbackUrl, verifyToken, subscribedFields }] : []
    await ctx.changeState({ ...noChange, apps })
    return send(reply, { status: 200, body: { success: true } })
  }
}

function faultOf(ctx: Context, req: GraphRequest, method: 'get' | 'post'): GraphFault | undefined {
  const app = appOf(ctx, req)
  if ('code' in app) return app
  return app.id === req.params.id ? undefined : missingObject(method, req.params.id)
}

function wrongParameter(asked: Record<string, unknown>): GraphFault | undefined {
  const { callback_url, verify_token, fields } = asked
  if (asked.object !== object) return { code: 100, details: 'The parameter object is required' }
  const isWhole = [callback_url, verify_token, fields].every((each) => typeof each === 'string')
  return isWhole && URL.canParse(String(callback_url))
    ? undefined
    : { code: 100, details: 'callback_url, verify_token and fields are required' }
}
