import { AppError } from '@lockstep/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Context } from './context.ts'
import { id, parse } from './input.ts'
import { callOf, originOf } from './origin.ts'
import { sessionCookie } from './session-cookie.ts'

const path = '/sign-in/oidc'
const query = z.strictObject({ account_id: id.optional() })

/**
 * Signing in at an OpenID provider: a browser is sent there and comes back. What it was asked with is
 * sealed in a cookie, so that nobody can finish in one browser what was begun in another.
 */
export function serveProviderSignIn(ctx: Context, server: FastifyInstance): void {
  server.get(path, (request, reply) => begin(ctx, request, reply))
  server.get(`${path}/callback`, (request, reply) => finish(ctx, request, reply))
}

const cookiesOf = ({ config }: Context, request: FastifyRequest, reply: FastifyReply) => ({
  session: sessionCookie(config.publicUrl, request, reply),
  step: sessionCookie(config.publicUrl, request, reply, 'step'),
})

async function begin(ctx: Context, request: FastifyRequest, reply: FastifyReply) {
  const { account_id: accountId } = parse(query, request.query, 'query')
  const begun = await ctx.peers.accounts.beginProviderSignIn({ accountId }, callOf(request))
  cookiesOf(ctx, request, reply).step.begin(begun.ticket, begun.endsAtMs)
  return reply.redirect(begun.url, 302)
}

async function finish(ctx: Context, request: FastifyRequest, reply: FastifyReply) {
  const { session, step } = cookiesOf(ctx, request, reply)
  const { token: ticket } = step
  if (!ticket)
    throw new AppError('precondition', `This browser did not begin to sign in; open ${path}`)
  // One answer a question, whatever it is.
  step.end()
  const previousToken = session.token
  const answer = request.url.split('?')[1] ?? ''
  const asked = { ticket, query: answer, origin: originOf(request), previousToken }
  const done = await ctx.peers.accounts.finishProviderSignIn(asked, callOf(request))
  if (!done.signedIn) {
    step.begin(done.ticket, done.ticketEndsAtMs)
    return reply.redirect('/sign-in/code', 302)
  }
  if (previousToken) ctx.authenticator.forget(previousToken)
  session.begin(done.signedIn.token, done.signedIn.session!.endsAtMs)
  return reply.redirect('/docs', 302)
}
