import type { FastifyReply } from 'fastify'
import type { Context } from '../context.ts'
import { errorAnswer, type GraphFault } from '../graph-errors.ts'
import { parseBody } from '../send-check.ts'
import { noChange } from '../state.ts'
import { type GraphRequest, send } from './send.ts'
import { findNumber } from './token-check.ts'

/**
 * `GET /{version}/oauth/access_token` with a code of Embedded Signup (Meta,
 * embedded-signup/onboarding-customers): good once, and for a time. Subcode 36009 is seen in public, the others are [U].
 */
export function exchangeCode(ctx: Context) {
  return async (req: GraphRequest, reply: FastifyReply) => {
    const { code = '' } = req.query
    const fault = codeFault(ctx, req)
    if (fault) return send(reply, errorAnswer(fault, `${ctx.log.seq}|${req.url.length}`, ''))
    const known = ctx.world.codes.get(code)!
    const { token, tokenExpiresAtMs, appId, phoneNumberId } = known
    const { digits: _, ...number } = ctx.world.numbers.get(phoneNumberId)!
    const numbers = [{ ...number, token, tokenExpiresAtMs, appId }]
    await ctx.changeState({ ...noChange, codes: [{ ...known, isUsed: true }], numbers })
    if (ctx.settings.faults.loseCodes > 0) {
      await ctx.changeSettings({ faults: { loseCodes: ctx.settings.faults.loseCodes - 1 } })
      reply.hijack()
      reply.raw.socket?.resetAndDestroy()
      return reply
    }
    return send(reply, { status: 200, body: { access_token: token, token_type: 'bearer' } })
  }
}

function codeFault(ctx: Context, { query }: GraphRequest): GraphFault | undefined {
  const { client_id = '', client_secret, code = '' } = query
  const app = ctx.world.apps.get(client_id)
  if (app && app.secret !== client_secret)
    return { code: 1, http: 400, message: 'Error validating client secret.' }
  const known = ctx.world.codes.get(code)
  const refused = (message: string, subcode: number) => ({ code: 100, message, subcode })
  if (!known || known.appId !== client_id)
    return refused('Invalid verification code format.', 36008)
  if (known.isUsed) return refused('This authorization code has been used.', 36009)
  if (known.endsAtMs !== null && known.endsAtMs <= Date.now())
    return refused('This authorization code has expired.', 36007)
  return undefined
}

/** `POST /{version}/{phone-number-id}/register` (Meta, cloud-api/reference/registration). */
export function register(ctx: Context) {
  return async (req: GraphRequest, reply: FastifyReply) => {
    const { id } = req.params
    const number = findNumber(ctx, req, 'post')
    const { pin } = parseBody(req.body as Buffer | undefined)
    const fault = 'code' in number ? number : pinFault(number.pin, pin)
    if (fault) return send(reply, errorAnswer(fault, `${id}|${ctx.log.seq}`, id))
    const { digits: _, ...known } = ctx.world.numbers.get(id)!
    const numbers = [{ ...known, pin: String(pin), status: 'CONNECTED' }]
    await ctx.changeState({ ...noChange, numbers })
    return send(reply, { status: 200, body: { success: true } })
  }
}

function pinFault(known: string | null, pin: unknown): GraphFault | undefined {
  if (typeof pin !== 'string' || !/^\d{6}$/.test(pin))
    return { code: 100, details: 'The parameter pin must be 6 digits' }
  return known === null || known === pin ? undefined : { code: 133005 }
}
