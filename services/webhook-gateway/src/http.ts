import { createHash, timingSafeEqual } from 'node:crypto'
import { AppError, failureOf, failures, messageOf } from '@lockstep/contracts'
import { drainHttp } from '@lockstep/service'
import { verifySignature } from '@lockstep/whatsapp'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type App, secretsAt } from './app.ts'
import type { Context } from './context.ts'
import type { Intake } from './intake.ts'
import { countRequest } from './metrics.ts'
import { boundSockets } from './sockets.ts'
import { boundUploads, type Upload } from './uploads.ts'

export interface WebhookServer extends AsyncDisposable {
  port: number
}

/** Meta's largest webhook (M:webhooks/create-webhook-endpoint). */
const bodyLimit = 3 * 1024 * 1024
/** A request that takes longer to arrive is cut off. */
const requestTimeout = 30_000

declare module 'fastify' {
  interface FastifyRequest {
    app: App
    upload: Upload
  }
}

/** Receives Meta's webhooks at /webhooks/<app id>. Disposing answers what has arrived, then closes. */
export async function serveWebhooks(ctx: Context, intake: Intake): Promise<WebhookServer> {
  const { trustedProxies = [] } = ctx.config
  const trustProxy = trustedProxies.length > 0 ? trustedProxies : false
  const routerOptions = { ignoreTrailingSlash: true }
  const server = fastify({
    bodyLimit,
    requestTimeout,
    trustProxy,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions,
  })
  // The signature is over the bytes as they came, so nothing may parse them before it is checked.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  answerFailures(ctx, server)
  const close = drainHttp(server, ctx.config.drainMs)

  // Behind a proxy all sockets are the proxy's.
  if (!trustProxy) boundSockets(server.server)
  const uploads = boundUploads()

  server.decorateRequest('app')
  server.decorateRequest('upload')
  // Without a promise where the app is in memory: each costs every webhook.
  server.addHook('onRequest', (request: FastifyRequest, reply, done) => {
    if (request.is404) return done()
    if (request.method === 'POST') {
      const error = formError(request.headers['x-hub-signature-256'])
      if (error) return done(error)
    }
    const { appId } = request.params as { appId: string }
    request.upload = uploads.open(request.raw, appId, request.ip)
    reply.raw.once('close', request.upload.done)
    const found = (app: App) => {
      request.app = app
      done()
    }
    const known = ctx.apps.use(appId)
    if (known) found(known)
    else findApp(ctx, appId, request.ip).then(found, done)
  })
  // Before the body is read, and without waiting: what is counted must be heard from its first byte.
  server.addHook('preParsing', (request, _reply, _payload, done) => {
    request.upload?.listen()
    done()
  })
  server.get('/webhooks/:appId', (request, reply) =>
    reply.type('text/plain').send(handshake(request)),
  )
  server.post('/webhooks/:appId', (request, reply) => {
    const raw = (request.body as Buffer | undefined) ?? Buffer.alloc(0)
    const { app, upload, headers } = request
    const receivedAtMs = ctx.now()
    if (
      !verifySignature(raw, headers['x-hub-signature-256'] as string, secretsAt(app, receivedAtMs))
    )
      throw unsigned('wrong')
    upload.done()
    intake.store(app, receivedAtMs, raw).then(
      () => reply.send(),
      (error) => reply.send(error),
    )
  })

  await server.listen({ host: ctx.config.host, port: ctx.config.httpPort })
  const { port } = server.server.address() as { port: number }
  ctx.log.info({ httpPort: port }, 'webhooks are received')
  return {
    port,
    async [Symbol.asyncDispose]() {
      await close()
      uploads[Symbol.dispose]()
    },
  }
}

const appIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Before the body is read: a stranger can't make us hold 3 MB. */
async function findApp(ctx: Context, appId: string, address: string): Promise<App> {
  try {
    const app = appIdPattern.test(appId) ? await ctx.apps.find(appId, address) : undefined
    if (app) return app
  } catch (error) {
    countRequest('apps_unknown')
    throw error
  }
  countRequest('unknown_app')
  throw new AppError(
    'not_found',
    'There is no such app; take the callback URL that was shown when the app was registered',
  )
}

/** Proof for Meta that the address is ours: the bare challenge, if the token is the app's (M:webhooks/create-webhook-endpoint). */
function handshake(request: FastifyRequest): string {
  const query = request.query as Record<string, unknown>
  const { 'hub.mode': mode, 'hub.verify_token': token, 'hub.challenge': challenge } = query
  if (
    mode === 'subscribe' &&
    typeof token === 'string' &&
    typeof challenge === 'string' &&
    isSame(token, request.app.verifyToken)
  )
    return challenge
  throw new AppError(
    'forbidden',
    'The verify token is not the one that this app was registered with',
  )
}

/** Compares in a time that says nothing about where texts differ, or how long the right one is. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

function formError(header: string | string[] | undefined): AppError | undefined {
  if (header === undefined) return unsigned('missing')
  return typeof header === 'string' && /^sha256=[0-9a-f]{64}$/.test(header)
    ? undefined
    : unsigned('malformed')
}

function unsigned(how: 'missing' | 'malformed' | 'wrong'): AppError {
  countRequest(`signature_${how}`)
  return new AppError('unauthenticated', `The signature in X-Hub-Signature-256 is ${how}`)
}

function answerFailures(ctx: Context, server: FastifyInstance): void {
  // Without the address as it came: a verify token may be part of it.
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({
      error:
        'There is nothing here; take the callback URL that was shown when the app was registered',
    }),
  )
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof AppError)
      return reply.code(failures[failureOf(error)].http).send({ error: error.message })
    if (error.statusCode === 413) countRequest('too_large')
    if (error.statusCode && error.statusCode < 500)
      return reply.code(error.statusCode).send({ error: error.message })
    countRequest('failed')
    ctx.log.error({ err: error }, 'a webhook request failed')
    return reply.code(500).send({ error: messageOf(error) })
  })
}
