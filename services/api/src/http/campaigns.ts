import { campaignStates, recipientStates } from '@lockstep/contracts'
import type { Call } from '@lockstep/rpc'
import type { Campaign } from '@lockstep/rpc/gen/campaigns'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { id, idParams, oneOf, page, serial, text } from '../input.ts'
import { nextCursor, time } from '../response.ts'
import { lookFirst, route } from '../route.ts'

const statistics = z
  .object({
    recipients: z.number(),
    queued: z.number(),
    sending: z.number(),
    accepted: z.number(),
    sent: z.number(),
    delivered: z.number(),
    read: z.number(),
    failed: z.number(),
    rejected: z.number(),
    skipped: z.number(),
    unknown: z.number(),
  })
  .meta({ id: 'CampaignStatistics' })

const campaign = z
  .object({
    id: z.string(),
    name: z.string(),
    connection_id: z.string(),
    template_id: z.string(),
    filter: z.object({ tags: z.array(z.string()) }),
    values: z.record(z.string(), z.string()),
    state: z.string(),
    reason: z.string(),
    statistics,
    created_at: time,
    started_at: time,
    finished_at: time,
  })
  .meta({ id: 'Campaign' })

const tags = z
  .array(text(), { error: 'must be a list of tags' })
  .min(1, 'must name at least one tag: no filter ever means everybody')

const filter = z.strictObject({ tags }, { error: 'must be an object with "tags"' })
const values = z.record(z.string(), text(4_096), {
  error: 'must be an object of texts, such as {"body.1": "{{name}}"}',
})

/** A draft; nothing is sent before it is started. */
export const createCampaign = route({
  method: 'POST',
  audit: 'api',
  path: '/v1/campaigns',
  right: 'campaigns.write',
  summary:
    'Drafts a campaign: a template, the values of its variables, and the tags of the contacts who get it.',
  body: z.strictObject({
    name: text(),
    connection_id: id,
    template_name: text(),
    template_language: text(64),
    filter,
    values: values.default({}),
  }),
  status: 201,
  response: campaign,
  errors: ['not_found', 'precondition'],
  afterLostResponse: { runs: 'same id' },
  run: (
    ctx,
    { body: { name, connection_id, template_name, template_language, filter, values }, newId: id },
    call,
  ) =>
    ctx.peers.campaigns.createCampaign(
      {
        id,
        name,
        connectionId: connection_id,
        templateName: template_name,
        templateLanguage: template_language,
        filter,
        values,
      },
      call,
    ),
})

export const listCampaigns = route({
  method: 'GET',
  path: '/v1/campaigns',
  right: 'campaigns.read',
  summary:
    'Lists campaigns with their statistics, newest first; ?state= narrows it, ?cursor= is the next_cursor of the page before.',
  query: z.strictObject({ state: oneOf(campaignStates).optional(), ...page(id, 200) }),
  response: z.object({ campaigns: z.array(campaign), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { state = '', cursor = '', limit } }, call) => {
    const { campaigns } = await ctx.peers.campaigns.listCampaigns(
      { state, before: cursor, limit },
      call,
    )
    return { campaigns, nextCursor: nextCursor(campaigns, limit, (row) => row.id) }
  },
})

export const getCampaign = route({
  method: 'GET',
  path: '/v1/campaigns/:id',
  right: 'campaigns.read',
  summary: 'Shows a campaign: its state, why it is in it, and its statistics of this moment.',
  params: idParams,
  response: campaign,
  errors: ['not_found'],
  run: (ctx, { params }, call) => ctx.peers.campaigns.getCampaign(params, call),
})

export const updateDraft = route({
  method: 'PATCH',
  path: '/v1/campaigns/:id',
  right: 'campaigns.write',
  summary:
    'Changes what is named of a draft. "values" are all of them; "template_name" and "template_language" go together.',
  params: idParams,
  body: z.strictObject({
    name: text().optional(),
    connection_id: id.optional(),
    template_name: text().optional(),
    template_language: text(64).optional(),
    filter: filter.optional(),
    values: values.optional(),
  }),
  response: campaign,
  errors: ['not_found', 'conflict', 'precondition'],
  audit: 'api',
  afterLostResponse: 'Doing it again does no harm: send the request with a new key.',
  run: (ctx, { params, body: { values, ...body } }, call) =>
    ctx.peers.campaigns.updateDraft(
      {
        ...params,
        name: body.name,
        connectionId: body.connection_id,
        templateName: body.template_name,
        templateLanguage: body.template_language,
        filter: body.filter,
        values: values && { byVariable: values },
      },
      call,
    ),
})

export const deleteDraft = route({
  method: 'DELETE',
  path: '/v1/campaigns/:id',
  right: 'campaigns.write',
  summary:
    'Deletes a draft and answers it as it was; a campaign that was started is cancelled instead.',
  params: idParams,
  response: campaign,
  errors: ['not_found', 'conflict'],
  audit: 'api',
  afterLostResponse: 'Look at GET /v1/campaigns/:id: a draft that is gone is not found.',
  run: (ctx, { params }, call) => ctx.peers.campaigns.deleteDraft(params, call),
})

const afterLostResponse = lookFirst('/v1/campaigns/:id')

/** A route that moves a campaign to another state; `conflict` where it is in no state for that. */
function transition(
  name: 'start' | 'pause' | 'resume' | 'cancel',
  summary: string,
  move: (ctx: Context, params: { id: string }, call: Call) => Promise<Campaign>,
) {
  return route({
    method: 'POST',
    audit: 'api',
    path: `/v1/campaigns/:id/${name}`,
    right: 'campaigns.send',
    summary,
    params: idParams,
    response: campaign,
    errors: ['not_found', 'conflict', ...(name === 'start' ? (['precondition'] as const) : [])],
    afterLostResponse,
    run: (ctx, { params }, call) => move(ctx, params, call),
  })
}

export const startCampaign = transition(
  'start',
  'Starts a draft: the audience is frozen, then the messages are sent.',
  (ctx, params, call) => ctx.peers.campaigns.startCampaign(params, call),
)
export const pauseCampaign = transition(
  'pause',
  'Pauses a campaign that is sending; messages under way are finished.',
  (ctx, params, call) => ctx.peers.campaigns.pauseCampaign(params, call),
)
export const resumeCampaign = transition(
  'resume',
  'Goes on with a paused campaign where it stopped.',
  (ctx, params, call) => ctx.peers.campaigns.resumeCampaign(params, call),
)
export const cancelCampaign = transition(
  'cancel',
  'Ends a campaign for good; those still queued are never written to.',
  (ctx, params, call) => ctx.peers.campaigns.cancelCampaign(params, call),
)

const recipientIds = z
  .array(serial, { error: 'must be a list of recipient ids' })
  .max(10_000, 'must name at most 10000 recipients')

/** A person's decision to risk a second message to those whose first may have gone out. */
export const resendUnknown = route({
  method: 'POST',
  audit: 'api',
  path: '/v1/campaigns/:id/resend-unknown',
  right: 'campaigns.send',
  summary:
    'Sends again to recipients whose message may or may not have gone out: those named in recipient_ids, or all that are older than 15 minutes.',
  params: idParams,
  body: z.strictObject({ recipient_ids: recipientIds.default([]) }),
  response: z.object({ queued: z.number() }),
  errors: ['not_found', 'conflict'],
  afterLostResponse,
  run: (ctx, { params: { id }, body: { recipient_ids } }, call) =>
    ctx.peers.campaigns.resendUnknown({ campaignId: id, recipientIds: recipient_ids }, call),
})

const recipient = z
  .object({
    id: z.string(),
    contact_id: z.string(),
    phone: z.string(),
    state: z.string(),
    reason: z.string(),
    wamid: z.string(),
    attempts: z.number(),
  })
  .meta({ id: 'Recipient' })

export const listRecipients = route({
  method: 'GET',
  path: '/v1/campaigns/:id/recipients',
  right: 'campaigns.read',
  summary:
    'Lists the recipients of a campaign in id order; ?state= narrows it, ?cursor= is the next_cursor of the page before.',
  params: idParams,
  query: z.strictObject({ state: oneOf(recipientStates).optional(), ...page(serial, 1_000) }),
  response: z.object({ recipients: z.array(recipient), next_cursor: z.string().nullable() }),
  errors: ['not_found'],
  run: async (ctx, { params: { id }, query: { state = '', cursor = '', limit } }, call) => {
    const { recipients, next } = await ctx.peers.campaigns.listRecipients(
      { campaignId: id, state, after: cursor, limit },
      call,
    )
    return { recipients, nextCursor: next || null }
  },
})
