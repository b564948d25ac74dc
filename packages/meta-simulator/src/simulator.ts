import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { createSimulatorClient, type SimulatorClient } from './client.ts'
import { type Context, createContext } from './context.ts'
import { controlRoutes } from './control.ts'
import { ControlError } from './control-error.ts'
import { debugToken } from './graph/access.ts'
import {
  messageTemplates,
  phoneNumber,
  phoneNumbers,
  subscribeApp,
  subscribedApps,
} from './graph/management.ts'
import { messages } from './graph/messages.ts'
import { send } from './graph/send.ts'
import { exchangeCode, register } from './graph/sign-up.ts'
import { subscribe, subscriptions } from './graph/subscriptions.ts'
import { errorAnswer } from './graph-errors.ts'
import { type SettingsPatch, settingsPatch } from './settings.ts'
import { type StateInput, statePatch } from './state.ts'

export interface SimulatorConfig {
  /** The ground truth log. An existing file is read back and continued. */
  logFile: string
  /** 0 or absent: any free port. */
  port?: number
  host?: string
  /** Absent: the seed that the log says, or 1. */
  seed?: number | undefined
  /** A line counts as written only when the disk has it. Slow, off by default. */
  fsync?: boolean
  state?: StateInput
  settings?: SettingsPatch
}

/** A running simulator. Disposing it stops it within a second; what was under way is continued at the next start on the same log. */
export interface Simulator extends AsyncDisposable {
  url: string
  port: number
  logFile: string
  client: SimulatorClient
}

const version = String.raw`/:version(^v\d+\.\d+$)`
const MAX_BODY_BYTES = 1024 * 1024

/** Starts the simulator in this process. */
export async function startSimulator(config: SimulatorConfig): Promise<Simulator> {
  await using stack = new AsyncDisposableStack()
  const ctx = stack.use(
    await createContext({
      logFile: config.logFile,
      seed: config.seed,
      fsync: config.fsync ?? false,
    }),
  )
  if (config.state) await ctx.changeState(statePatch.parse(config.state))
  if (config.settings) await ctx.changeSettings(settingsPatch.parse(config.settings))

  const app = createApp(ctx)
  stack.defer(() => app.close())
  await app.listen({ port: config.port ?? 0, host: config.host ?? '127.0.0.1' })
  const { port, address } = app.server.address() as AddressInfo
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  const client = stack.use(createSimulatorClient(url))
  const owned = stack.move()
  return {
    url,
    port,
    logFile: config.logFile,
    client,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The control API and Graph's, over HTTP. */
function createApp(ctx: Context): FastifyInstance {
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_req, body, done) => done(null, body))
  controlRoutes(app, ctx)
  graphRoutes(app, ctx)
  app.setErrorHandler((error, req, reply) => {
    if (error instanceof ControlError)
      return reply.code(error.status).send({ error: error.message })
    if (error instanceof z.ZodError) return reply.code(400).send({ error: z.prettifyError(error) })
    const status = (error as { statusCode?: number }).statusCode ?? 500
    if (req.url.startsWith('/_sim/')) return reply.code(status).send({ error: String(error) })
    return send(reply, errorAnswer({ code: status < 500 ? 100 : 1, http: status }, req.url, ''))
  })
  return app
}

function graphRoutes(app: FastifyInstance, ctx: Context): void {
  app.post(`${version}/:id/messages`, messages(ctx))
  app.get(`${version}/:id/message_templates`, messageTemplates(ctx))
  app.get(`${version}/:id/phone_numbers`, phoneNumbers(ctx))
  app.get(`${version}/:id/subscribed_apps`, subscribedApps(ctx))
  // Graph takes a call without a version as one to the app's oldest [U].
  for (const prefix of [version, '']) app.post(`${prefix}/:id/subscribed_apps`, subscribeApp(ctx))
  app.get(`${version}/:id/subscriptions`, subscriptions(ctx))
  app.post(`${version}/:id/subscriptions`, subscribe(ctx))
  app.get(`${version}/oauth/access_token`, exchangeCode(ctx))
  app.post(`${version}/:id/register`, register(ctx))
  app.get(`${version}/debug_token`, debugToken(ctx))
  app.get(`${version}/:id`, phoneNumber(ctx))
  app.setNotFoundHandler((req, reply) => {
    // [U] What Graph says to a path it does not have.
    const message = `Unknown path components: ${req.url.split('?')[0]}`
    return send(reply, errorAnswer({ code: 2500, message, http: 400 }, req.url, ''))
  })
}
