import { createHmac } from 'node:crypto'
import type { Context } from '../context.ts'
import { type GraphFault, missingObject } from '../graph-errors.ts'
import { tokenFault } from '../send-check.ts'
import type { App, PhoneNumber } from '../state.ts'
import type { GraphRequest } from './send.ts'

/** The app of a number's token: as told, else the one that asked last. */
export function appOfToken(ctx: Context, number: PhoneNumber, asking?: string): string | undefined {
  if (number.appId !== undefined) return number.appId
  if (asking !== undefined) ctx.tokenApps.set(number.token, asking)
  return ctx.tokenApps.get(number.token)
}

/** Why Meta takes a number's token no longer, if so. [U] The sentences and subcodes. */
export function endOfToken({
  tokenExpiresAtMs,
  tokenRevoked,
}: PhoneNumber): GraphFault | undefined {
  const refused = (why: string, subcode: number) => ({
    code: 190,
    subcode,
    message: `Error validating access token: ${why}`,
  })
  if (tokenRevoked)
    return refused(
      'The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.',
      460,
    )
  if (tokenExpiresAtMs !== null && tokenExpiresAtMs <= Date.now())
    return refused('Session has expired.', 463)
  return undefined
}

/**
 * What is wrong with the `appsecret_proof` of a call by a token of the app (Meta,
 * graph-api/guides/secure-requests): both refusals are seen as code 100 without a subcode.
 */
export function proofFault(app: App, token: string, req: GraphRequest): GraphFault | undefined {
  const { appsecret_proof: given } = req.query
  const fault = (message: string) => ({ code: 100, message, type: 'GraphMethodException' }) as const
  if (given === undefined)
    return app.requireAppSecret
      ? fault('API calls from the server require an appsecret_proof argument')
      : undefined
  const right = createHmac('sha256', app.secret).update(token).digest('hex')
  return given === right ? undefined : fault('Invalid appsecret_proof provided in the API argument')
}

/** What is wrong with a call by a number's token. Without a word of whose app it is, any proof is right. */
export function callFault(
  ctx: Context,
  number: PhoneNumber,
  req: GraphRequest,
): GraphFault | undefined {
  const app = ctx.world.apps.get(appOfToken(ctx, number) ?? '')
  return endOfToken(number) ?? (app && proofFault(app, number.token, req))
}

/** The number that a call is about, or the fault. A wrong token for an existing number answers like a missing number. */
export function findNumber(
  ctx: Context,
  req: GraphRequest,
  method: 'get' | 'post',
): PhoneNumber | GraphFault {
  const { id } = req.params
  const number = ctx.world.numbers.get(id)
  const isIts = (token: string) => token === number?.token
  const { authorization } = req.headers
  const fault = tokenFault(ctx.world, authorization, isIts, missingObject(method, id))
  return fault ?? callFault(ctx, number!, req) ?? number!
}
