import type { FastifyReply } from 'fastify'
import type { Context } from '../context.ts'
import { errorAnswer, type GraphAnswer, type GraphFault, missingObject } from '../graph-errors.ts'
import { orderedError } from '../orders.ts'
import { parseBody, tokenFault } from '../send-check.ts'
import { noChange, type PhoneNumber, type Waba } from '../state.ts'
import { appNode } from './access.ts'
import { type GraphRequest, send } from './send.ts'
import { appOfToken, callFault, findNumber } from './token-check.ts'

type Ask = (object: never, req: GraphRequest) => GraphAnswer | Promise<GraphAnswer>

/** An endpoint for a request about a WABA: checks the token, ordered errors first refuse it. */
function aboutWaba(
  ctx: Context,
  method: 'get' | 'post',
  ask: (waba: Waba, req: GraphRequest) => GraphAnswer | Promise<GraphAnswer>,
) {
  return endpoint(ctx, ask, (req) => {
    const { id } = req.params
    let number: PhoneNumber | undefined
    const allowed = (token: string) => {
      const numbers = ctx.world.numbers.values()
      number = numbers.find((each) => each.wabaId === id && each.token === token)
      return number !== undefined
    }
    const { authorization } = req.headers
    const fault = tokenFault(ctx.world, authorization, allowed, missingObject(method, id))
    return fault ?? callFault(ctx, number!, req) ?? ctx.world.wabas.get(id)!
  })
}

/** `GET /{version}/{phone-number-id}?fields=`, and an app's own node. */
export function phoneNumber(ctx: Context) {
  const ask = (number: PhoneNumber, req: GraphRequest) => ({
    status: 200,
    body: pick(numberNode(ctx, number), req.query.fields, numberDefaults),
  })
  const answer = endpoint(ctx, ask, (req) => findNumber(ctx, req, 'get'))
  return (req: GraphRequest, reply: FastifyReply) => appNode(ctx, req, reply) ?? answer(req, reply)
}

function endpoint(ctx: Context, ask: Ask, find: (req: GraphRequest) => object) {
  return async (req: GraphRequest, reply: FastifyReply) => {
    const { id } = req.params
    const found = find(req)
    const fault = 'code' in found ? (found as GraphFault) : orderedError(ctx.settings, 'management')
    if (fault) return send(reply, errorAnswer(fault, `${id}|${ctx.log.seq}|${Date.now()}`, id))
    return send(reply, await ask(found as never, req))
  }
}

/** Default fields of a number [U]; the others are given when asked for. */
const numberDefaults = [
  'verified_name',
  'code_verification_status',
  'display_phone_number',
  'quality_rating',
  'platform_type',
  'throughput',
  'webhook_configuration',
  'id',
]

/** A number as Graph shows it; field names: meta-cloud-api.md §1 (overrides), §4 (limits). */
function numberNode(ctx: Context, number: PhoneNumber): Record<string, unknown> {
  const waba = ctx.world.wabas.get(number.wabaId)
  const application = ctx.world.apps.get(waba?.appIds[0] ?? '')?.callbackUrl
  return {
    id: number.id,
    display_phone_number: number.displayPhoneNumber,
    verified_name: number.verifiedName,
    quality_rating: number.qualityRating,
    throughput: { level: number.throughputLevel },
    whatsapp_business_manager_messaging_limit: number.messagingLimit,
    status: number.status,
    code_verification_status: 'VERIFIED',
    name_status: 'APPROVED',
    platform_type: 'CLOUD_API',
    account_mode: 'LIVE',
    webhook_configuration: {
      ...(number.callbackUrl && { phone_number: number.callbackUrl }),
      ...(waba?.callbackUrl && { whatsapp_business_account: waba.callbackUrl }),
      ...(application && { application }),
    },
  }
}

/** `GET /{version}/{waba-id}/phone_numbers`. */
export function phoneNumbers(ctx: Context) {
  return aboutWaba(ctx, 'get', (waba, req) => {
    const all = [...ctx.world.numbers.values()].filter((number) => number.wabaId === waba.id)
    return page(
      req,
      all.map((number) => pick(numberNode(ctx, number), req.query.fields, numberDefaults)),
    )
  })
}

const templateDefaults = [
  'name',
  'parameter_format',
  'components',
  'language',
  'status',
  'category',
  'sub_category',
  'id',
]
const templateFilters = ['status', 'category', 'language', 'name'] as const

/** `GET /{version}/{waba-id}/message_templates` (meta-cloud-api.md §5); written to the log, then answered: Meta counts refused calls too. */
export function messageTemplates(ctx: Context) {
  const answer = aboutWaba(ctx, 'get', (waba, req) => {
    const all = [...(ctx.world.templates.get(waba.id)?.values() ?? [])]
      .map(({ template }) => template)
      .filter((template) => template.status !== 'DELETED')
      .filter((template) =>
        templateFilters.every(
          (field) => req.query[field] === undefined || req.query[field] === template[field],
        ),
      )
    return page(
      req,
      all.map((template) => pick(template, req.query.fields, templateDefaults)),
    )
  })
  return async (req: GraphRequest, reply: FastifyReply) => {
    await ctx.log.append({ atMs: Date.now(), kind: 'template-list', wabaId: req.params.id })
    return answer(req, reply)
  }
}

/** `GET /{version}/{waba-id}/subscribed_apps`. */
export function subscribedApps(ctx: Context) {
  return aboutWaba(ctx, 'get', (waba, req) => {
    const override = waba.callbackUrl ? { override_callback_uri: waba.callbackUrl } : {}
    return page(
      req,
      waba.appIds.map((id) => ({
        whatsapp_business_api_data: {
          id,
          name: `App ${id}`,
          link: `https://www.facebook.com/games/?app_id=${id}`,
        },
        ...override,
      })),
    )
  })
}

/**
 * `POST /{waba-id}/subscribed_apps`, with or without `override_callback_uri` (meta-cloud-api.md §1). The simulator does not know which
 * app a token was made for unless it was told or that app has asked about it: then it subscribes the WABA's own app again, or the only one.
 */
export function subscribeApp(ctx: Context) {
  return aboutWaba(ctx, 'post', async (waba, req) => {
    const apps = [...ctx.world.apps.keys()]
    const number = ctx.world.numbers
      .values()
      .find((each) => req.headers.authorization?.endsWith(` ${each.token}`))
    const own = number && appOfToken(ctx, number)
    const others = waba.appIds.length > 0 || own !== undefined ? waba.appIds : apps.slice(0, 1)
    const appIds = [...new Set([...others, ...(own === undefined ? [] : [own])])]
    const override = parseBody(req.body as Buffer | undefined).override_callback_uri
    const callbackUrl = typeof override === 'string' && URL.canParse(override) ? override : null
    await ctx.changeState({ ...noChange, wabas: [{ ...waba, appIds, callbackUrl }] })
    return { status: 200, body: { success: true } }
  })
}

/** The fields asked for, or the default ones; the id always. Unknown fields are left out. */
function pick(
  node: Record<string, unknown>,
  fields: string | undefined,
  defaults: string[],
): Record<string, unknown> {
  const names = fields
    ? [...fields.split(/,(?![^{(]*[})])/).map((field) => field.replace(/[{(].*$/, '').trim()), 'id']
    : defaults
  return Object.fromEntries(
    names.filter((name) => node[name] !== undefined).map((name) => [name, node[name]]),
  )
}

/**
 * One page of a list: cursors are always there, `next` only when a page follows (meta-cloud-api.md §5). 25 a page unless
 * `limit` says otherwise [U].
 */
function page(req: GraphRequest, all: unknown[]): GraphAnswer {
  const limit = Math.min(Math.max(1, Number(req.query.limit ?? 25) || 25), 1_000)
  const from = req.query.after === undefined ? 0 : positionOf(req.query.after)
  if (from === undefined)
    return errorAnswer(
      { code: 100, details: 'Invalid cursor: after' },
      req.query.after!,
      req.params.id,
    )
  const data = all.slice(from, from + limit)
  const cursors = { before: cursorOf(from), after: cursorOf(from + data.length) }
  const paging: Record<string, unknown> = { cursors }
  const link = (query: Record<string, string>) => {
    const { after: _, before: __, ...kept } = req.query
    const search = new URLSearchParams({
      ...(kept as Record<string, string>),
      limit: String(limit),
      ...query,
    })
    return `${req.protocol}://${req.host}${req.url.split('?')[0]}?${search}`
  }
  if (from + data.length < all.length) paging.next = link({ after: cursors.after })
  if (from > 0) paging.previous = link({ after: cursorOf(Math.max(0, from - limit)) })
  return { status: 200, body: { data, paging } }
}

function cursorOf(position: number): string {
  return Buffer.from(`position:${position}`).toString('base64url')
}

function positionOf(cursor: string): number | undefined {
  const position = Buffer.from(cursor, 'base64url')
    .toString()
    .match(/^position:(\d+)$/)?.[1]
  return position === undefined ? undefined : Number(position)
}
