import { z } from 'zod'
import { id, text } from '../input.ts'
import { route } from '../route.ts'
import { campaignToJson } from '../to-json.ts'

const tags = z
  .array(text(), { error: 'must be a list of tags' })
  .min(1, 'must name at least one tag: no filter ever means everybody')

const body = z.strictObject({
  name: text(),
  connection_id: id,
  template_name: text(),
  template_language: text(64),
  filter: z.strictObject({ tags }, { error: 'must be an object with "tags"' }),
  values: z
    .record(z.string(), text(4_096), {
      error: 'must be an object of texts, such as {"body.1": "{{name}}"}',
    })
    .default({}),
})

/** A draft; nothing is sent before it is started. */
export const createCampaign = route({
  method: 'POST',
  path: '/v1/campaigns',
  does: 'Drafts a campaign: a template, the values of its variables, and the tags of the contacts who get it.',
  ifUnknown: 'Look at GET /v1/campaigns before you try again with a new key.',
  status: 201,
  body,
  run: async (
    ctx,
    { body: { name, connection_id, template_name, template_language, filter, values } },
    call,
  ) => {
    const asked = {
      name,
      connectionId: connection_id,
      templateName: template_name,
      templateLanguage: template_language,
      filter,
      values,
    }
    return campaignToJson(await ctx.peers.campaigns.createCampaign(asked, call))
  },
})
