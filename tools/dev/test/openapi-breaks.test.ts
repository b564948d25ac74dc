import { expect, test } from 'vitest'
import type { Schema } from '../../../services/api/src/docs/api-document.ts'
import { type OpenApi, openApiBreaks } from '../openapi-breaks.ts'

/** Deep and open to change, which the real ones are not. */
// biome-ignore lint/suspicious/noExplicitAny: each test changes another place
type Changeable = any

const filter: Schema = {
  type: 'object',
  properties: { tags: { type: 'array', items: { type: 'string', maxLength: 64 }, maxItems: 9 } },
  required: ['tags'],
}
const campaign: Schema = {
  type: 'object',
  properties: {
    id: { type: 'string', format: 'uuid' },
    state: { enum: ['draft', 'sending'] },
    count: { type: 'integer' },
    ended_at: { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] },
    parent: { $ref: '#/components/schemas/Campaign' },
    values: { type: 'object', additionalProperties: { type: 'string' } },
  },
  required: ['id', 'state', 'count'],
}
const order: Schema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 64 },
    kind: { enum: ['now', 'later'] },
    filter,
    note: { type: ['string', 'null'] },
  },
  required: ['name'],
}

const document = (): Changeable =>
  structuredClone({
    paths: {
      '/v1/campaigns': {
        post: {
          operationId: 'createCampaign',
          'x-right': 'campaigns.write',
          parameters: [{ name: 'dry', in: 'query', schema: { type: 'boolean' } }],
          requestBody: { required: false, content: { 'application/json': { schema: order } } },
          responses: {
            201: {
              content: {
                'application/json': { schema: { $ref: '#/components/schemas/Campaign' } },
              },
            },
            400: {},
          },
        },
      },
    },
    components: { schemas: { Campaign: campaign } },
  })

const post = (one: Changeable) => one.paths['/v1/campaigns'].post
const body = (one: Changeable) => post(one).requestBody.content['application/json'].schema
const answer = (one: Changeable) => one.components.schemas.Campaign

const breaking: Record<string, [(after: Changeable) => void, string]> = {
  'a request': [(one) => delete one.paths['/v1/campaigns'].post, 'it is gone'],
  'the name of a request': [
    (one) => (post(one).operationId = 'draft'),
    'its name was createCampaign, and is now draft',
  ],
  'the right of a request': [
    (one) => (post(one)['x-right'] = 'campaigns.send'),
    'it asked for the right campaigns.write, and now for campaigns.send',
  ],
  'a parameter': [(one) => (post(one).parameters = []), 'the query parameter dry is gone'],
  'a parameter that must be there': [
    (one) => (post(one).parameters[0].required = true),
    'the query parameter dry must now be there',
  ],
  'a body that must be there': [
    (one) => (post(one).requestBody.required = true),
    'a body must now be there',
  ],
  'the type of a body': [
    (one) => (post(one).requestBody.content = { 'text/csv': { schema: {} } }),
    'its body may no longer be application/json',
  ],
  'a field of a request': [(one) => delete body(one).properties.note, 'body.note is gone'],
  'a new field that must be there': [
    (one) => {
      body(one).properties.reason = { type: 'string' }
      body(one).required.push('reason')
    },
    'body.reason must now be there',
  ],
  'a field that could be absent': [
    (one) => body(one).required.push('kind'),
    'body.kind must now be there',
  ],
  'a value of a request': [
    (one) => (body(one).properties.kind.enum = ['now']),
    'body.kind may no longer be "later"',
  ],
  'any text': [
    (one) => (body(one).properties.name.enum = ['a']),
    'body.name must now be one of ["a"]',
  ],
  'a type of a request': [
    (one) => (body(one).properties.note.type = 'string'),
    'body.note may no longer be null',
  ],
  'a bound of a request': [
    (one) => (body(one).properties.name.maxLength = 32),
    'body.name had the maxLength 64, and now 32',
  ],
  'a bound inside a list': [
    (one) => (body(one).properties.filter.properties.tags.items.minLength = 1),
    'body.filter.tags[] had the minLength any, and now 1',
  ],
  'the form of a text': [
    (one) => (body(one).properties.name.format = 'uuid'),
    'body.name had the format any, and now uuid',
  ],
  'a field of a response': [(one) => delete answer(one).properties.count, 'answer.count is gone'],
  'a field that was always there': [
    (one) => (answer(one).required = ['id', 'state']),
    'answer.count may now be absent',
  ],
  'a type of a response': [
    (one) => (answer(one).properties.count.type = 'string'),
    'answer.count may now be string',
  ],
  'a response that may be null': [
    (one) => (answer(one).properties.id.type = ['string', 'null']),
    'answer.id may now be null',
  ],
  'a response with a fraction': [
    (one) => (answer(one).properties.count.type = 'number'),
    'answer.count may now be number',
  ],
  'the list of values of a response': [
    (one) => (answer(one).properties.state = { type: 'string' }),
    'answer.state was one of a list, and may now be any string',
  ],
  'the values of an object': [
    (one) => (answer(one).properties.values.additionalProperties.type = 'integer'),
    'answer.values.* may now be integer',
  ],
  'the status of a success': [
    (one) => {
      post(one).responses[200] = post(one).responses[201]
      delete post(one).responses[201]
    },
    'it no longer answers 201',
  ],
}

test.each(Object.entries(breaking))('a client that relies on %s is broken', (_, [change, said]) => {
  const after = document()
  change(after)
  expect(breaks(after)).toEqual([`POST /v1/campaigns: ${said}`])
})

const harmless: Record<string, (after: Changeable) => void> = {
  'a new request': (one) => (one.paths['/v1/new'] = { get: post(one) }),
  'a new field that may be absent': (one) => (body(one).properties.reason = { type: 'string' }),
  'a field that need no longer be there': (one) => (body(one).required = []),
  'a further value of a request': (one) => body(one).properties.kind.enum.push('never'),
  'a wider bound': (one) => (body(one).properties.name.maxLength = 128),
  'a further type of a request': (one) => (body(one).properties.name.type = ['string', 'null']),
  'a new field of a response': (one) => (answer(one).properties.extra = { type: 'string' }),
  'a further value of a response': (one) => answer(one).properties.state.enum.push('done'),
  'a response that is never null now': (one) =>
    (answer(one).properties.ended_at = { type: 'string', format: 'date-time' }),
  'another way to fail': (one) => (post(one).responses[409] = {}),
  'a component with another name': (one) => {
    one.components.schemas.Sending = answer(one)
    post(one).responses[201].content['application/json'].schema.$ref =
      '#/components/schemas/Sending'
  },
}

test.each(Object.entries(harmless))('%s breaks nobody', (_, change) => {
  const after = document()
  change(after)
  expect(breaks(after)).toEqual([])
})

test('what it compares with is left as it was', () => expect(breaks(document())).toEqual([]))

function breaks(after: OpenApi): string[] {
  return openApiBreaks(document(), after)
}
