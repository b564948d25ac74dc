import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { accountEvent, accountEventInput } from './account-event.ts'
import type { Context } from './context.ts'
import { ControlError } from './control-error.ts'
import { wamid } from './fate.ts'
import { handshake } from './handshake.ts'
import { type LogLine, readChunks } from './log.ts'
import {
  appContacts,
  appContactsInput,
  call,
  callInput,
  echo,
  echoInput,
  history,
  historyInput,
} from './phone-app.ts'
import { inboundElement, tallyOf } from './replay.ts'
import { settingsPatch } from './settings.ts'
import { describeWorld, statePatch } from './state.ts'
import { templateEvent, templateEventInput } from './template-event.ts'
import { encodeBody, signBody } from './webhook-body.ts'

/** The body of `POST /_sim/inbound`. Without `type` it is a text. Node shapes by type: meta-cloud-api.md §3. */
export const inboundInput = z.strictObject({
  phoneNumberId: z.string(),
  /** wa_id or business-scoped user id of the person. */
  from: z.string().min(1),
  name: z.string().optional(),
  /** Shown in place of the number; who is to have none is named by a user id (meta-cloud-api.md §3). */
  username: z.string().optional(),
  /** The group in which it is written. */
  groupId: z.string().optional(),
  text: z.string().optional(),
  type: z.string().default('text'),
  /** The node named like the type, e.g. `{ payload, text }` for a button. */
  payload: z.unknown().optional(),
  context: z.record(z.string(), z.unknown()).optional(),
  /** Further keys of the message, e.g. referral. */
  extra: z.record(z.string(), z.unknown()).default({}),
  timestampMs: z.number().optional(),
  id: z.string().optional(),
})

/** The body of `POST /_sim/webhook`: what is sent as it is, once. `raw` wins over `body`; `secret` replaces the app's for signing. */
export const webhookInput = z.strictObject({
  appId: z.string(),
  body: z.unknown().optional(),
  raw: z.string().optional(),
  sign: z.enum(['right', 'wrong', 'none']).default('right'),
  secret: z.string().optional(),
  url: z.url().optional(),
})

export const drainInput = z.strictObject({
  deadlineMs: z.int().min(0).max(600_000).default(30_000),
})
const resetInput = z.strictObject({ forgetState: z.boolean().default(false) })

/** What `GET /_sim/log` selects. `since` is a sequence number: only later lines. */
const logQuery = z.strictObject({
  since: z.coerce.number().default(0),
  kind: z.string().optional(),
  phoneNumberId: z.string().optional(),
  callbackPrefix: z.string().optional(),
  outcome: z.string().optional(),
  limit: z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
})
export type LogQuery = Partial<z.output<typeof logQuery>>

/** The control API under `/_sim`. */
export function controlRoutes(app: FastifyInstance, ctx: Context): void {
  app.get('/_sim/health', () => ({ status: 'ok', seq: ctx.log.seq, logFile: ctx.log.path }))
  app.get('/_sim/state', () => describeWorld(ctx.world))
  app.put('/_sim/state', async (req) => {
    await ctx.changeState(read(statePatch, req))
    return describeWorld(ctx.world)
  })
  app.get('/_sim/settings', () => ctx.settings)
  app.put('/_sim/settings', async (req) => {
    await ctx.changeSettings(read(settingsPatch, req))
    return ctx.settings
  })
  app.get('/_sim/summary', () => ctx.summary())
  app.get('/_sim/log', (req, reply) => streamLog(ctx, logQuery.parse(req.query), reply))
  app.get('/_sim/accepted', (req, reply) => {
    return streamLog(
      ctx,
      { ...logQuery.parse(req.query), kind: 'post', outcome: 'accepted' },
      reply,
    )
  })
  app.post('/_sim/inbound', async (req) => inbound(ctx, read(inboundInput, req)))
  app.post('/_sim/echo', async (req) => echo(ctx, read(echoInput, req)))
  app.post('/_sim/call', async (req) => call(ctx, read(callInput, req)))
  app.post('/_sim/history', async (req) => history(ctx, read(historyInput, req)))
  app.post('/_sim/app-contacts', async (req) => appContacts(ctx, read(appContactsInput, req)))
  app.post('/_sim/webhook', async (req) => webhook(ctx, read(webhookInput, req)))
  app.post('/_sim/template-event', async (req) => templateEvent(ctx, read(templateEventInput, req)))
  app.post('/_sim/account-event', async (req) => accountEvent(ctx, read(accountEventInput, req)))
  app.post<{ Params: { id: string } }>('/_sim/apps/:id/verify', (req) => verify(ctx, req.params.id))
  app.post('/_sim/drain', async (req) => {
    const drained = await ctx.idle(read(drainInput, req).deadlineMs)
    await ctx.log.flushed()
    return { drained, ...ctx.summary() }
  })
  app.post('/_sim/reset', async (req) => {
    await ctx.reset(read(resetInput, req).forgetState)
    return ctx.summary()
  })
}

function read<T extends z.ZodType>(schema: T, req: FastifyRequest): z.output<T> {
  const raw = req.body as Buffer | undefined
  try {
    return schema.parse(raw?.length ? JSON.parse(raw.toString()) : {})
  } catch (cause) {
    const what = cause instanceof z.ZodError ? z.prettifyError(cause) : 'The body is not JSON.'
    throw new ControlError(400, `${req.method} ${req.url}: ${what}`)
  }
}

async function streamLog(
  ctx: Context,
  query: LogQuery,
  reply: FastifyReply,
): Promise<FastifyReply> {
  await ctx.log.flushed()
  return reply.type('application/x-ndjson').send(Readable.from(select(ctx.log.path, query)))
}

async function* select(
  path: string,
  { since = 0, limit = Number.MAX_SAFE_INTEGER, ...query }: LogQuery,
): AsyncGenerator<string> {
  let left = limit
  for await (const lines of readChunks(path)) {
    const chosen: string[] = []
    for (const text of lines) {
      // Cheap look first; only what may fit is parsed.
      if (query.kind !== undefined && !text.includes(`"kind":${JSON.stringify(query.kind)}`))
        continue
      if (left <= 0 || !fits(JSON.parse(text) as LogLine, since, query)) continue
      chosen.push(text, '\n')
      left--
    }
    if (chosen.length > 0) yield chosen.join('')
    if (left <= 0) return
  }
}

function fits(line: LogLine, since: number, query: LogQuery): boolean {
  const number = line as {
    phoneNumberId?: string
    elements?: { phoneNumberId?: string }[]
    callback?: string
    outcome?: string
  }
  return (
    line.seq > since &&
    (query.kind === undefined || line.kind === query.kind) &&
    (query.outcome === undefined || number.outcome === query.outcome) &&
    (query.callbackPrefix === undefined ||
      number.callback?.startsWith(query.callbackPrefix) === true) &&
    (query.phoneNumberId === undefined ||
      number.phoneNumberId === query.phoneNumberId ||
      number.elements?.some((each) => each.phoneNumberId === query.phoneNumberId) === true)
  )
}

async function inbound(ctx: Context, input: z.output<typeof inboundInput>) {
  const number = ctx.world.numbers.get(input.phoneNumberId)
  if (!number)
    throw new ControlError(
      404,
      `There is no number ${input.phoneNumberId}; register it by PUT /_sim/state.`,
    )
  const tally = tallyOf(ctx.tallies, `in|${number.id}`, input.from)
  const atMs = Date.now()
  // The log's sequence makes the id new after a restart, too.
  const id =
    input.id ??
    wamid(input.from, 'in', ctx.settings.seed, number.id, input.from, ++tally.messages, ctx.log.seq)
  const node =
    input.type === 'text' && input.payload === undefined
      ? { body: input.text ?? '' }
      : input.payload
  const message = {
    ...(input.context && { context: input.context }),
    ...(input.groupId !== undefined && { group_id: input.groupId }),
    id,
    timestamp: String(Math.floor((input.timestampMs ?? atMs) / 1000)),
    ...(node !== undefined && { [input.type]: node }),
    type: input.type,
    ...input.extra,
  }
  const { from, name, username } = input
  const line = {
    atMs,
    kind: 'inbound',
    phoneNumberId: number.id,
    from,
    messageId: id,
    message,
    name,
    username,
  } as const
  await ctx.log.append(line)
  ctx.emit(inboundElement(line))
  return { id }
}

async function webhook(ctx: Context, input: z.output<typeof webhookInput>) {
  const app = ctx.world.apps.get(input.appId)
  if (!app)
    throw new ControlError(404, `There is no app ${input.appId}; register it by PUT /_sim/state.`)
  const url = input.url ?? app.callbackUrl
  if (!url)
    throw new ControlError(400, `App ${app.id} has no callbackUrl and the request names no url.`)
  const body = input.raw !== undefined ? Buffer.from(input.raw) : encodeBody(input.body ?? {})
  const secret = input.secret ?? (input.sign === 'wrong' ? `${app.secret}, but wrong` : app.secret)
  const signature = input.sign === 'none' ? undefined : signBody(secret, body)
  const httpStatus = await ctx.webhooks.sendOnce(url, body, signature, app.id)
  await ctx.log.flushed()
  return { httpStatus }
}

async function verify(ctx: Context, appId: string) {
  const app = ctx.world.apps.get(appId)
  if (!app?.callbackUrl) throw new ControlError(404, `There is no app ${appId} with a callbackUrl.`)
  return handshake(ctx, app.callbackUrl, app.verifyToken)
}
