import { deliveryStates, type EventTopic } from '@lockstep/contracts'
import { z } from 'zod'
import { allTopics, readableTopics } from '../event-topics.ts'
import {
  anyText,
  hourMs,
  id,
  idParams,
  oneOf,
  page,
  serial,
  text,
  timeText,
  whole,
} from '../input.ts'
import { nextCursor, time } from '../response.ts'
import { lookFirst, route } from '../route.ts'

const path = '/v1/webhook-endpoints'

const endpoint = z
  .object({
    id: z.string(),
    url: z.string(),
    description: z.string(),
    topics: z.array(z.string()),
    enabled: z.boolean(),
    disabled_reason: z.string(),
    failing_since: time,
    previous_secret_until: time,
    created_at: time,
  })
  .meta({ id: 'WebhookEndpoint' })
const endpointWithSecret = z
  .object({ endpoint, secret: z.string().nullable() })
  .meta({ id: 'WebhookEndpointWithSecret' })

const delivery = z
  .object({
    id: z.string(),
    endpoint_id: z.string(),
    kind: z.string(),
    subject_id: z.string(),
    state: z.string(),
    attempts: z.number(),
    status: z.number(),
    error: z.string(),
    next_attempt_at: time,
    last_attempt_at: time,
    created_at: time,
  })
  .meta({ id: 'WebhookDelivery' })

const url = text(2_000)
const description = anyText(512)
const topics = z
  .array(oneOf(allTopics), { error: 'must be a list of topics' })
  .min(1, 'must name at least one topic')
  .max(allTopics.length, 'must name each topic once')

const again = 'Doing it again does no harm: send the request with a new key.'

/** Nobody has more posted than they may look at. */
export const createWebhookEndpoint = route({
  method: 'POST',
  path,
  right: 'webhooks.write',
  summary:
    'Has events of some topics posted to a URL, as Standard Webhooks, from the next one on. Its secret is in this response only.',
  body: z.strictObject({ url, topics, description: description.default('') }),
  status: 201,
  response: endpointWithSecret,
  errors: ['conflict'],
  audit: 'api',
  afterLostResponse: `Look at GET ${path}: delete an endpoint whose secret nobody has, and create another.`,
  shownOnce: ['secret'],
  run: (ctx, { body: { topics, ...body }, caller }, call) =>
    ctx.peers.events.createEndpoint({ ...body, topics: readableTopics(caller, topics) }, call),
})

export const listWebhookEndpoints = route({
  method: 'GET',
  path,
  right: 'webhooks.read',
  summary: 'Lists the webhook endpoints, at most 16, with why one fails or is disabled.',
  response: z.object({ endpoints: z.array(endpoint) }),
  run: (ctx, _input, call) => ctx.peers.events.listEndpoints({}, call),
})

export const getWebhookEndpoint = route({
  method: 'GET',
  path: `${path}/:id`,
  right: 'webhooks.read',
  summary: 'Shows a webhook endpoint, never its secret.',
  params: idParams,
  response: endpoint,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.events.getEndpoint(params, call),
})

export const updateWebhookEndpoint = route({
  method: 'PATCH',
  path: `${path}/:id`,
  right: 'webhooks.write',
  summary:
    'Changes what is named of an endpoint. While it is not enabled, nothing is kept for it; replay what it has missed.',
  params: idParams,
  body: z.strictObject({
    url: url.optional(),
    topics: topics.optional(),
    description: description.optional(),
    enabled: z.boolean({ error: 'must be true or false' }).optional(),
  }),
  response: endpoint,
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: again,
  run: (ctx, { params, body: { topics, ...body }, caller }, call) => {
    const named = topics ? readableTopics(caller, topics as EventTopic[]) : []
    return ctx.peers.events.updateEndpoint({ ...params, ...body, topics: named }, call)
  },
})

export const deleteWebhookEndpoint = route({
  method: 'DELETE',
  path: `${path}/:id`,
  right: 'webhooks.write',
  summary: 'Deletes an endpoint with its deliveries; nothing more is posted to it.',
  params: idParams,
  response: z.object({}),
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: lookFirst(path),
  run: (ctx, { params }, call) => ctx.peers.events.deleteEndpoint(params, call),
})

export const enableWebhookEndpoint = route({
  method: 'POST',
  path: `${path}/:id/enable`,
  right: 'webhooks.write',
  summary: 'Enables an endpoint, and posts at once what was waiting for its next attempt.',
  params: idParams,
  response: endpoint,
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: again,
  run: (ctx, { params }, call) => ctx.peers.events.enableEndpoint(params, call),
})

export const rotateWebhookSecret = route({
  method: 'POST',
  path: `${path}/:id/rotate-secret`,
  right: 'webhooks.write',
  summary:
    'Creates a new secret, told in this response only. For some hours posts are signed with the one before, too.',
  params: idParams,
  body: z.strictObject({ overlap_hours: whole(0, 720).default(24) }),
  response: endpointWithSecret,
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: 'Rotate it once more: the secret before stays good meanwhile.',
  shownOnce: ['secret'],
  run: (ctx, { params, body }, call) =>
    ctx.peers.events.rotateEndpointSecret(
      { ...params, overlapMs: body.overlap_hours * hourMs },
      call,
    ),
})

export const testWebhookEndpoint = route({
  method: 'POST',
  path: `${path}/:id/test`,
  right: 'webhooks.write',
  summary: 'Posts the event "webhook.test" at once and once, and says what was answered.',
  params: idParams,
  response: z
    .object({
      delivered: z.boolean(),
      status: z.number(),
      error: z.string(),
      duration_ms: z.number(),
    })
    .meta({ id: 'WebhookTest' }),
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: again,
  run: async (ctx, { params }, call) => {
    const { durationMs: duration_ms, ...result } = await ctx.peers.events.testEndpoint(params, call)
    return { ...result, durationMs: duration_ms }
  },
})

export const replayWebhooks = route({
  method: 'POST',
  path: `${path}/:id/replay`,
  right: 'webhooks.write',
  summary:
    'Posts events again with the ids that they had: those since "from", the oldest 10,000 of them, or the deliveries that are named.',
  params: idParams,
  body: z.strictObject({
    from: timeText.optional(),
    delivery_ids: z
      .array(serial, { error: 'must be a list of ids' })
      .max(500, 'must name at most 500')
      .optional(),
  }),
  status: 202,
  response: z.object({ deliveries: z.number() }),
  errors: ['not_found'],
  audit: 'api',
  afterLostResponse: 'Look at GET /v1/webhook-deliveries before you try again with a new key.',
  run: (ctx, { params, body: { from, delivery_ids = [] } }, call) =>
    ctx.peers.events.replayEndpoint({ ...params, fromMs: from, deliveryIds: delivery_ids }, call),
})

export const listWebhookDeliveries = route({
  method: 'GET',
  path: '/v1/webhook-deliveries',
  right: 'webhooks.read',
  summary:
    'Lists what became of events at an endpoint (?endpoint_id=), the newest first; ?state=failed narrows it.',
  query: z.strictObject({
    endpoint_id: id,
    state: oneOf(deliveryStates).optional(),
    ...page(serial, 500),
  }),
  response: z.object({ deliveries: z.array(delivery), next_cursor: z.string().nullable() }),
  errors: ['not_found'],
  run: async (ctx, { query: { endpoint_id, state = '', cursor = '', limit } }, call) => {
    const request = { endpointId: endpoint_id, state, before: cursor, limit }
    const { deliveries } = await ctx.peers.events.listDeliveries(request, call)
    return { deliveries, nextCursor: nextCursor(deliveries, limit, (row) => row.id) }
  },
})
