import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import cookies from '@fastify/cookie'
import { AppError, Throttled } from '@lockstep/contracts'
import { drainHttp } from '@lockstep/service'
import { histogram } from '@lockstep/telemetry'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { v7 as uuid } from 'uuid'
import { requireAccess, requireSameOrigin } from './access.ts'
import { cutOffSlowBodies } from './arrival.ts'
import { runRecorded } from './audit.ts'
import type { Caller } from './authenticator.ts'
import { countCall } from './call-limits.ts'
import { type CallShares, countCalls } from './call-shares.ts'
import type { Context } from './context.ts'
import {
  clientFailure,
  failureResponse,
  type HttpResponse,
  securityHeaders,
  toAppError,
  typeOf,
} from './http-response.ts'
import { runOnce, StillRunning } from './idempotency.ts'
import { csvFile, parse } from './input.ts'
import { sendStream, wantsStream } from './live/send-stream.ts'
import { callOf, originOf } from './origin.ts'
import { serveDocs, serveLinkPages } from './pages/serve.ts'
import { serveProviderSignIn } from './provider-sign-in.ts'
import { openRefusals } from './refusals.ts'
import { requireSoundHead } from './request-head.ts'
import type { NamedRoute } from './route.ts'
import { cookieName, sessionCookie } from './session-cookie.ts'

export interface ApiServer extends AsyncDisposable {
  port: number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null before that is known, and where anyone may. */
    caller: Caller | null
    /** The JSON body as it came; empty for a streamed one. */
    rawBody: string
  }
}

/** A streamed contact import has no such limit here: `contacts` sets its own. */
const bodyLimit = 1_000_000

/** In seconds, as the header has it: most requests are answered in one. */
function retryAfterOf(error: AppError): string {
  const ms = error instanceof Throttled ? error.retryAfterMs : undefined
  return String(Math.max(1, Math.ceil((ms ?? 0) / 1000)))
}

const requestSeconds = histogram(
  'lockstep_api_request_seconds',
  'Duration of a request to the public API',
  's',
)

/**
 * Serves the routes of the public API. Disposing stops listening, lets running requests be
 * answered, then closes.
 */
export async function serveApi(ctx: Context, routes: readonly NamedRoute[]): Promise<ApiServer> {
  const { arrival } = ctx
  const server = fastify({
    bodyLimit,
    requestTimeout: arrival.requestMs,
    http: {
      headersTimeout: arrival.headersMs,
      connectionsCheckingInterval: arrival.headersMs / 2,
      // Missing ones are refused in words by `requireSoundHead`.
      requireHostHeader: false,
    },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: requestId,
    ...(ctx.config.trustedProxies.length > 0 && { trustProxy: ctx.config.trustedProxies }),
    frameworkErrors: (error, request, reply) => fail(ctx, error, request, reply as FastifyReply),
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
      refuse(socket, clientFailure(error))
    },
  })
  const refuse = openRefusals(server.server)
  cutOffSlowBodies(server.server, arrival, (socket) => refuse(socket, tooSlow()))
  server.server.on('checkExpectation', ({ socket }) => refuse(socket, unknownExpectation()))
  await server.register(cookies)
  server.decorateRequest('caller', null)
  server.decorateRequest('rawBody', '')
  server.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...securityHeaders, 'x-request-id': request.id })
    requireSoundHead(request.raw)
  })
  server.addHook('onResponse', async (request, reply) =>
    requestSeconds(reply.elapsedTime / 1000, {
      route: `${request.method} ${request.routeOptions.url ?? 'unknown'}`,
      status: String(reply.statusCode),
    }),
  )
  server.addHook('preClose', async () => ctx.streams.endAll())
  const close = drainHttp(server, ctx.config.drainMs)
  server.setErrorHandler((error, request, reply) => fail(ctx, error, request, reply))
  server.setNotFoundHandler((request) => {
    throw new AppError(
      'not_found',
      `There is no ${request.method} ${request.url.split('?')[0]}; GET /v1 lists what there is`,
    )
  })
  serveDocs(server, routes)
  serveLinkPages(server)
  serveProviderSignIn(ctx, server)
  const calls = countCalls()
  for (const route of routes) server.register(async (scope) => open(ctx, scope, route, calls))

  await server.listen({ host: ctx.config.host, port: ctx.config.httpPort })
  const { port } = server.server.address() as { port: number }
  ctx.log.info({ httpPort: port }, 'the public API is served')
  return { port, [Symbol.asyncDispose]: close }
}

const tooSlow = () =>
  new AppError('invalid', 'The body of the request came too slowly; nothing of it was done')

const unknownExpectation = () =>
  new AppError('invalid', 'The header Expect can only be "100-continue"')

/** One route in a scope of its own: what its body may be is no other's business. */
function open(ctx: Context, scope: FastifyInstance, route: NamedRoute, calls: CallShares): void {
  scope.removeAllContentTypeParsers()
  if (route.body === csvFile)
    scope.addContentTypeParser('text/csv', (_request, payload, done) => done(null, payload))
  else acceptJson(scope)
  scope.route({
    method: route.method,
    url: route.path,
    // Before the body is read: a stranger can't make us hold it.
    onRequest: async (request, reply) => {
      const caller = await identify(ctx, route, request)
      request.caller = caller
      if (!caller) return
      const { headers, refused } = await countCall(ctx, caller)
      reply.headers(headers)
      if (refused) throw refused
      requireAccess(caller, route.right)
      if (!reply.raw.closed && !wantsStream(route, request))
        reply.raw.once('close', calls.begin(caller.accountId))
    },
    handler: async (request, reply) => {
      if (wantsStream(route, request))
        return sendStream(ctx, route, {
          request,
          reply,
          authenticate: () => callerOf(ctx, request),
        })
      const { replayed, status, body } = await answer(ctx, route, request, reply)
      if (replayed) reply.header('idempotent-replayed', 'true')
      return reply.code(status).type(typeOf(status)).send(body)
    },
  })
}

/** Who asks; null where anyone may. Throws `forbidden` for a page of another site. */
async function identify(
  ctx: Context,
  { method, right }: NamedRoute,
  request: FastifyRequest,
): Promise<Caller | null> {
  const { headers } = request
  if (method !== 'GET' && headers.authorization === undefined)
    requireSameOrigin(headers, ctx.config.publicUrl)
  return right === 'anyone' ? null : callerOf(ctx, request)
}

const callerOf = (
  { config, authenticator }: Context,
  { headers: { authorization }, cookies }: FastifyRequest,
): Promise<Caller> =>
  authenticator.callerOf({ authorization, session: cookies[cookieName(config.publicUrl)] })

function acceptJson(scope: FastifyInstance): void {
  const parseJson = scope.getDefaultJsonParser('error', 'error')
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    request.rawBody = body as string
    if (body === '') done(null, undefined)
    else parseJson(request, body as string, done)
  })
}

async function answer(
  ctx: Context,
  route: NamedRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<HttpResponse & { replayed: boolean }> {
  const { caller } = request
  const input = {
    params: parse(route.params, request.params, 'path'),
    query: parse(route.query, request.query, 'query'),
    body: parse(route.body, request.body ?? {}, 'body'),
    caller: caller!,
    cookie: sessionCookie(ctx.config.publicUrl, request, reply),
    stepCookie: sessionCookie(ctx.config.publicUrl, request, reply, 'step'),
    origin: originOf(request),
  }
  const { id: requestId } = request
  const accountId = caller?.accountId ?? ''
  const key = request.headers['idempotency-key']
  const run = async (askedAt: Date) => ({
    status: route.status,
    body: JSON.stringify(
      await runRecorded(
        ctx,
        route,
        { ...input, askedAt, newId: newIdFor(askedAt, accountId, key) },
        callOf(request),
      ),
    ),
  })
  if (key === undefined || route.method === 'GET' || !caller)
    return { ...(await run(new Date(ctx.now()))), replayed: false }
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new AppError(
      'invalid',
      'The header Idempotency-Key must be 1 to 255 printable ASCII characters without spaces',
    )
  return runOnce(
    ctx,
    {
      accountId,
      key,
      hash: hashOf(request),
      requestId,
      afterLostResponse: route.afterLostResponse,
      shownOnce: route.shownOnce,
    },
    run,
  )
}

/** The same for each try of a request; another when its key is used again after it was dropped. */
function newIdFor(askedAt: Date, accountId: string, key: unknown): string {
  const random = typeof key === 'string' && createHash('sha256').update(`${accountId} ${key}`)
  return uuid({ msecs: askedAt.getTime(), ...(random && { random: random.digest(), seq: 0 }) })
}

/**
 * What a request asks for. A streamed body is not part of it: that would mean to read it before
 * anything is known.
 */
function hashOf(request: FastifyRequest): Buffer {
  return createHash('sha256')
    .update(`${request.method} ${request.url}\n${whose(request.caller)}${request.rawBody}`)
    .digest()
}

/** What a person does with a key is no answer for another; a program's keys may change. */
const whose = (caller: Caller | null): string =>
  caller?.kind === 'person' ? `${caller.personId}\n` : ''

/** The caller's own id for the request if it can be one, so that both sides' logs meet. */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[\w.-]{1,128}$/.test(given) ? given : uuid()
}

/**
 * One map from thrown things to answers; what isn't the caller's to know is logged and leaves as
 * "Internal error".
 */
function fail(ctx: Context, thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = toAppError(thrown)
  const { status, body } = failureResponse(error, request.id)
  const route = `${request.method} ${request.routeOptions.url ?? ''}`
  const fields = { requestId: request.id, accountId: request.caller?.accountId, route }
  if (error.failure === 'internal') ctx.log.error({ ...fields, err: thrown }, 'A request failed')
  else if (status >= 500)
    ctx.log.warn(
      { ...fields, failure: error.failure, reason: error.message },
      'A request could not be served',
    )
  if (status === 429 || error instanceof StillRunning)
    reply.header('retry-after', retryAfterOf(error))
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  reply.headers({ ...securityHeaders, 'x-request-id': request.id })
  reply.code(status).type(typeOf(status)).send(body)
}
