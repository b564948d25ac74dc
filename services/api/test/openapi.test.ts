import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { failures } from '@lockstep/contracts'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import type { NamedRoute } from '../src/route.ts'
import { type Api, goldenFileOf, openApi, openStack } from './fixtures.ts'

interface Operation {
  operationId: string
  'x-right': string
  parameters?: { name: string; in: string }[]
  requestBody?: { content: Record<string, unknown> }
  responses: Record<string, { $ref?: string }>
}
interface ApiDocument {
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, { description: string }> }
}

const root = path.join(import.meta.dirname, '../../..')
const golden = path.join(import.meta.dirname, 'golden')
const stack = new AsyncDisposableStack()
let api: Api
let document: ApiDocument

beforeAll(async () => {
  const system = stack.use(await openStack())
  api = stack.use(await openApi(system.config))
  document = (await (await fetch(`${api.url}/v1/openapi.json`)).json()) as ApiDocument
})
afterAll(() => stack.disposeAsync())

const pathOf = ({ path: route }: NamedRoute) => route.replaceAll(/:(\w+)/g, '{$1}')
const operationOf = (route: NamedRoute) =>
  document.paths[pathOf(route)]![route.method.toLowerCase()]!

test('a stranger reads the document, which is valid and the one in docs/', async () => {
  const { valid, errors } = await new Validator().validate({ ...document })
  expect([valid, errors]).toEqual([true, undefined])
  expect(document).toEqual(JSON.parse(await readFile(path.join(root, 'docs/openapi.json'), 'utf8')))
})

test('every route is in it with its right, its parameters, its bodies and how it can fail', () => {
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item))
  expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
    routes.map(({ name }) => name).sort(),
  )
  for (const route of routes) {
    const { operationId, responses, parameters = [], ...operation } = operationOf(route)
    expect([operationId, operation['x-right']]).toEqual([route.name, route.right])
    const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name)
    expect(inPath).toEqual([...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name))
    const hasKey = parameters.some(({ name }) => name === 'Idempotency-Key')
    const mayHaveKey = route.method !== 'GET' && route.right !== 'anyone'
    expect([route.name, hasKey]).toEqual([route.name, mayHaveKey])
    expect(Object.keys(responses)).toContain(String(route.status))
    for (const failure of route.errors)
      expect(responses[failures[failure].http]).toEqual({
        $ref: `#/components/responses/${failure}`,
      })
  }
})

test('a number in a query is a number, a time a time, and a response may get further fields', () => {
  const named = (route: string, name: string) =>
    document.paths[route]!.get!.parameters!.find((one) => one.name === name)
  expect(named('/v1/contacts', 'limit')).toMatchObject({
    schema: { type: 'integer', minimum: 1, maximum: 200, default: 100 },
  })
  expect(JSON.stringify(document)).not.toContain('"format":"date-time","pattern"')
  const responses = Object.values(document.components)
  expect(JSON.stringify(responses)).not.toContain('"additionalProperties":false')
})

test('every response that was seen fits the document', async () => {
  const ajv = new Ajv2020({ strict: false })
  ;(formats as unknown as (ajv: Ajv2020) => void)(ajv)
  ajv.addSchema(document, 'api')
  const files = await readdir(golden)
  expect(files).toHaveLength(routes.length)
  for (const file of files) {
    const { request, response } = JSON.parse(await readFile(path.join(golden, file), 'utf8'))
    const route = routes.find((one) => one.method === request.method && goldenFileOf(one) === file)!
    const pointer = [
      'paths',
      pathOf(route).replaceAll('/', '~1'),
      route.method.toLowerCase(),
      `responses/${response.status}/content/application~1json/schema`,
    ]
    const validate = ajv.getSchema(`api#/${pointer.join('/')}`)!
    validate(unmasked(response.body))
    expect([file, validate.errors]).toEqual([file, null])
  }
})

/** Values in place of what golden files leave out. */
function unmasked(value: unknown): unknown {
  if (value === '<time>' || value === '<time or null>') return '2026-01-02T03:04:05.000Z'
  if (value === '<number>') return 1
  if (Array.isArray(value)) return value.map(unmasked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, unmasked(one)]))
}
