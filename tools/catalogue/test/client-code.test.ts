import { expect, test } from 'vitest'
import { writeClientCode } from '../src/client-code.ts'
import { typeText } from '../src/client-types.ts'

const page = {
  type: 'object',
  properties: {
    things: { type: 'array', items: { $ref: '#/components/schemas/Thing' } },
    next_cursor: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  },
  required: ['things', 'next_cursor'],
}
const json = (schema: object) => ({ content: { 'application/json': { schema } } })
const named = { summary: 'Does it.', description: 'Asks.' }
const id = { name: 'id', in: 'path', required: true, schema: { type: 'string' } }

test('each request has its fields, its answer and how it is made', () => {
  const code = writeClientCode({
    paths: {
      '/v1/things': {
        get: { ...named, operationId: 'listThings', responses: { 200: json(page) } },
      },
      '/v1/things/{id}': {
        put: {
          ...named,
          operationId: 'setThing',
          parameters: [id, { ...id, name: 'Idempotency-Key', in: 'header' }],
          requestBody: { required: true, ...json({ type: 'boolean' }) },
          responses: { 201: json({ $ref: '#/components/schemas/Thing' }), 400: {} },
        },
      },
      '/v1/live': {
        get: { ...named, operationId: 'listen', responses: { 200: { content: {} } } },
      },
    },
    components: { schemas: { Thing: { type: 'object', properties: { on: { const: true } } } } },
  })
  expect(code).toContain('export interface Thing {\n  on?: true\n}')
  expect(code).toContain(`  /** Does it. Asks. */
  setThing: {
    input: {
      id: string
      body: boolean
    }
    output: Thing
  }`)
  expect(code).toContain("listThings: { method: 'GET', path: '/v1/things', list: 'things' },")
  expect(code).toContain(
    "setThing: { method: 'PUT', path: '/v1/things/{id}', type: 'application/json' },",
  )
  expect(code).not.toContain('listen')
})

test.each([
  [{ type: 'array', items: { enum: ["it's", 'b'] } }, "readonly ('it\\'s' | 'b')[]"],
  [{ type: ['string', 'null'] }, 'string | null'],
  [
    { type: 'object', additionalProperties: { type: 'integer' } },
    'Readonly<Record<string, number>>',
  ],
  [{}, 'unknown'],
])('the type of %j is %s', (schema, type) => expect(typeText(schema)).toBe(type))

test('a schema that has no type in TypeScript is an error', () => {
  expect(() => typeText({ type: 'file' })).toThrow('There is no TypeScript for {"type":"file"}')
})
