import { createHash, timingSafeEqual } from 'node:crypto'
import { AppError, failureOf, failures, messageOf } from '@lockstep/contracts'
import { drainHttp } from '@lockstep/service'
import { verifySignature } from '@lockstep/whatsapp'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type App, secretsAt } from '../apps/app.ts'
import type { Context } from '../context.ts'
import { countRequest } from '../metrics.ts'
import type { GroupCommit } from './group-commit.ts'
import { limitSockets } from './socket-limit.ts'
import { openUnverifiedBodyLimit, type Upload } from './unverified-body-limit.ts'

export interface WebhookServer extends AsyncDisposable {
  port: number
}

/** Meta's largest webhook (M:webhooks/create-webhook-endpoint). */
const bodyLimit = 3 * 1024 * 1024
/** A request that takes longer to arrive is cut off. */
const requestTimeout = 30_000
const path = '/webhooks/:appId'

declare module 'fastify' {
  interface FastifyRequest {
    app: App
    upload: Upload
  }
}

/**
 * Receives Meta's webhooks at /webhooks/<app id>. Disposing answers what has arrived, then closes.
 */
export async function serveWebhooks(ctx: Context, commit: GroupCommit): Promise<WebhookServer> {
  const { trustedProxies = [], host, httpPort, drainMs } = ctx.config
  const trustProxy = trustedProxies.length > 0 ? trustedProxies : false
  const server = createServer(ctx, trustProxy)
  const close = drainHttp(server, drainMs)
  // Behind a proxy all sockets are the proxy's.
  if (!trustProxy) limitSockets(server.server)
  const limit = openUnverifiedBodyLimit()

  server.decorateRequest('app')
  server.decorateRequest('upload')
  server.addHook('onRequest', (request, reply, done) => {
    if (request.is404) return done()
    const error = request.method === 'POST' ? signatureFormError(request) : undefined
    if (error) return done(error)
    const { appId } = request.params as { appId: string }
    request.upload = limit.open(request.raw, appId, request.ip)
    reply.raw.once('close', request.upload.done)
    setApp(ctx, request, appId, done)
  })
  // Before the body is read, and without waiting: what is counted must be seen from its first byte.
  server.addHook('preParsing', (request, _reply, _payload, done) => {
    request.upload?.listen()
    done()
  })
  server.get(path, (request, reply) => reply.type('text/plain').send(handshake(request)))
  server.post(path, (request, reply) => receive(ctx, commit, request, reply))

  await server.listen({ host, port: httpPort })
  const { port } = server.server.address() as { port: number }
  ctx.log.info({ httpPort: port }, 'webhooks are received')
  return {
    port,
    async [Symbol.asyncDispose]() {
      await close()
      limit[Symbol.dispose]()
    },
  }
}

function createServer(ctx: Context, trustProxy: string[] | false): FastifyInstance {
  const server = fastify({
    bodyLimit,
    requestTimeout,
    trustProxy,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true },
  })
  // The signature is over the bytes as they came, so nothing may parse them before it is checked.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  // Without the address as it came: a verify token may be part of it.
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({
      error:
        'There is nothing here; take the callback URL that was shown when the app was registered',
    }),
  )
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    sendError(ctx, error, reply),
  )
  return server
}

function sendError(ctx: Context, error: Error & { statusCode?: number }, reply: FastifyReply) {
  if (error instanceof AppError)
    return reply.code(failures[failureOf(error)].http).send({ error: error.message })
  if (error.statusCode === 413) countRequest('too_large')
  if (error.statusCode && error.statusCode < 500)
    return reply.code(error.statusCode).send({ error: error.message })
  countRequest('failed')
  ctx.log.error({ err: error }, 'a webhook request failed')
  return reply.code(500).send({ error: messageOf(error) })
}

/** Without a promise when the app is in memory: a promise costs every webhook. */
function setApp(
  ctx: Context,
  request: FastifyRequest,
  appId: string,
  done: (error?: Error) => void,
): void {
  const set = (app: App) => {
    request.app = app
    done()
  }
  const known = ctx.apps.use(appId)
  if (known) set(known)
  else findApp(ctx, appId, request.ip).then(set, done)
}

const appIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Before the body is read: without an app nobody can make the process keep 3 MB. */
async function findApp(ctx: Context, appId: string, address: string): Promise<App> {
  try {
    const app = appIdPattern.test(appId) ? await ctx.apps.find(appId, address) : undefined
    if (app) return app
  } catch (error) {
    countRequest('app_unavailable')
    throw error
  }
  countRequest('unknown_app')
  throw new AppError(
    'not_found',
    'There is no such app; take the callback URL that was shown when the app was registered',
  )
}

function receive(
  ctx: Context,
  commit: GroupCommit,
  { body, app, upload, headers }: FastifyRequest,
  reply: FastifyReply,
): void {
  const raw = (body as Buffer | undefined) ?? Buffer.alloc(0)
  const signature = headers['x-hub-signature-256'] as string
  const receivedAtMs = ctx.now()
  if (!verifySignature(raw, signature, secretsAt(app, receivedAtMs))) throw unsigned('wrong')
  upload.done()
  commit.store(app, receivedAtMs, raw).then(
    () => reply.send(),
    (error) => reply.send(error),
  )
}

/**
 * Proves to Meta that the address is ours: the bare challenge (M:webhooks/create-webhook-endpoint).
 */
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

/** Compares in a time that does not depend on where texts differ, or on their length. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

function signatureFormError({ headers }: FastifyRequest): AppError | undefined {
  const header = headers['x-hub-signature-256']
  if (header === undefined) return unsigned('missing')
  return typeof header === 'string' && /^sha256=[0-9a-f]{64}$/.test(header)
    ? undefined
    : unsigned('malformed')
}

function unsigned(how: 'missing' | 'malformed' | 'wrong'): AppError {
  countRequest(`signature_${how}`)
  return new AppError('unauthenticated', `The signature in X-Hub-Signature-256 is ${how}`)
}
