import { attributeTypes } from '@lockstep/contracts'
import { z } from 'zod'
import { idParams, oneOf, text } from '../input.ts'
import { time } from '../response.ts'
import { lookFirst, route } from '../route.ts'

const path = '/v1/contact-attributes'

const attribute = z
  .object({
    id: z.string(),
    name: z.string(),
    label: z.string(),
    type: z.string(),
    choices: z.array(z.string()),
    is_indexing: z.boolean(),
    created_at: time,
  })
  .meta({ id: 'ContactAttribute' })

const label = text(256)
const choices = z
  .array(text(256), { error: 'must be a list of choices' })
  .max(200, 'must name at most 200 choices')

export const listContactAttributes = route({
  method: 'GET',
  path,
  right: 'contacts.read',
  summary:
    'Lists the attributes of contacts that have a type, at most 200, by name. While one "is_indexing", contacts from before it may be missing in what is searched by it.',
  response: z.object({ attributes: z.array(attribute) }),
  run: (ctx, _input, call) => ctx.peers.contacts.listAttributes({}, call),
})

export const createContactAttribute = route({
  method: 'POST',
  path,
  right: 'settings.write',
  summary:
    'Gives attributes of a name a type: text, number, date (2026-12-24), boolean, or a choice of some. Values that are none of that type are refused from then on, and those that are there count as none.',
  body: z.strictObject({
    name: text(256),
    label: label.optional(),
    type: oneOf(attributeTypes),
    choices: choices.optional(),
  }),
  status: 201,
  response: attribute,
  errors: ['conflict'],
  audit: 'api',
  afterLostResponse: { runs: 'same id' },
  run: (ctx, { body, newId: id }, call) =>
    ctx.peers.contacts.createAttribute({ ...body, id }, call),
})

export const updateContactAttribute = route({
  method: 'PATCH',
  path: `${path}/:id`,
  right: 'settings.write',
  summary:
    'Changes the label or the choices of an attribute; its name and type stay. A choice that contacts have does not go.',
  params: idParams,
  body: z.strictObject({ label: label.optional(), choices: choices.optional() }),
  response: attribute,
  errors: ['not_found', 'conflict'],
  audit: 'api',
  afterLostResponse: 'Doing it again does no harm: send the request with a new key.',
  run: (ctx, { params, body: { label, choices } }, call) =>
    ctx.peers.contacts.updateAttribute({ ...params, label, choices: choices && { choices } }, call),
})

export const deleteContactAttribute = route({
  method: 'DELETE',
  path: `${path}/:id`,
  right: 'settings.write',
  summary:
    'Deletes an attribute that no contact has a value of. With ?keep_values=true it goes in any case, and values stay as texts without a type.',
  params: idParams,
  query: z.strictObject({ keep_values: oneOf(['true', 'false']).optional() }),
  response: z.object({}),
  errors: ['not_found', 'conflict'],
  audit: 'api',
  afterLostResponse: lookFirst(path),
  run: (ctx, { params, query: { keep_values } }, call) =>
    ctx.peers.contacts.deleteAttribute({ ...params, keepValues: keep_values === 'true' }, call),
})
