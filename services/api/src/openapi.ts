import { type Failure, failures, rights, roles } from '@lockstep/contracts'
import { z } from 'zod'
import {
  type CreateDocumentOptions,
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi'
import type { ApiDocument } from './docs/api-document.ts'
import type { AfterLostResponse } from './idempotency.ts'
import { csvFile, nothing } from './input.ts'
import type { NamedRoute } from './route.ts'

/** How a request fails (RFC 9457). */
const problem = z
  .object({
    type: z.string().meta({ description: 'Where it is explained: "/docs#" and the code.' }),
    title: z.string(),
    status: z.number(),
    code: z.enum(Object.keys(failures) as Failure[]),
    detail: z.string().meta({ description: 'What is wrong, with what, and what to do.' }),
    errors: z
      .array(
        z.object({
          in: z.enum(['path', 'query', 'body']),
          field: z.string().optional(),
          detail: z.string(),
        }),
      )
      .optional()
      .meta({ description: 'Each field that is wrong, when the code is "invalid".' }),
    request_id: z.string(),
  })
  .meta({ id: 'Problem' })

/** What every request can be answered with. */
const common = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'throttled',
  'busy',
  'timeout',
  'internal',
] as const

const headers = {
  'X-Request-Id': {
    description: 'The id of the request: the one that was sent, or a new one.',
    schema: { type: 'string' },
  },
} as const

const idempotencyKey = z.string().min(1).max(255).optional().meta({
  description:
    'A text of your own: however often the request is sent with it, it takes effect at most once.',
})

const retryAfter = {
  'Retry-After': {
    description: 'In how many seconds to try again.',
    schema: { type: 'string' },
  },
  RateLimit: {
    description:
      'How many requests are left at this moment (`r`), and in how many seconds all are again (`t`), for the key and for the account. Each answer has it.',
    schema: { type: 'string' },
  },
  'RateLimit-Policy': {
    description: 'How many requests (`q`) may come in how many seconds (`w`). Each answer has it.',
    schema: { type: 'string' },
  },
} as const

function describeFailure(failure: Failure): ZodOpenApiResponseObject {
  const { http, title } = failures[failure]
  return {
    id: failure,
    description: `\`${failure}\`: ${title}.`,
    headers: { ...headers, ...(http === 429 && retryAfter) },
    content: { 'application/problem+json': { schema: problem } },
  }
}

const failureResponses = new Map(
  (Object.keys(failures) as Failure[]).map((failure) => [failure, describeFailure(failure)]),
)

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** A format says what its pattern says; a response may get further fields in later versions. */
const overrides: CreateDocumentOptions = {
  override: ({ jsonSchema, io }) => {
    if (jsonSchema.format) delete jsonSchema.pattern
    if (io === 'output' && jsonSchema.additionalProperties === false)
      delete jsonSchema.additionalProperties
  },
}

/** The OpenAPI 3.1 document of the routes. */
export function describeApi(routes: readonly NamedRoute[]): ApiDocument {
  const paths: Record<string, Partial<Record<Method, ZodOpenApiOperationObject>>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  const document: ZodOpenApiObject = {
    openapi: '3.1.1',
    info: {
      title: 'Lockstep',
      version: '1',
      description:
        'WhatsApp Business messaging in which no message is sent twice, none is lost, no count is wrong, and nobody who said stop is written to.',
    },
    servers: [{ url: '/' }],
    security: bySecurity.caller,
    tags: [...new Set(routes.map(nounOf))].map((name) => ({ name })),
    paths: paths as ZodOpenApiPathsObject,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: "lk_…".' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-lockstep',
          description: 'A person who is signed in.',
        },
      },
    },
    'x-rights': rights,
    'x-roles': roles,
  }
  return createDocument(document, overrides) as object as ApiDocument
}

/** Who may ask where no right is asked for. */
const mayAsk = {
  anyone: 'Anyone may ask.',
  caller: 'Any API key and any person may ask.',
  person: 'Asks for a person who is signed in.',
} as const

const bySecurity: Record<keyof typeof mayAsk, Record<string, never[]>[]> = {
  anyone: [],
  caller: [{ apiKey: [] }, { session: [] }],
  person: [{ session: [] }],
}

/** The noun after `/v1/`. */
const nounOf = ({ path }: NamedRoute): string => path.split('/')[2]!

const adviceOf = (after: AfterLostResponse): string =>
  typeof after === 'string' ? after : 'Send it again with the same Idempotency-Key.'

function operation(route: NamedRoute): ZodOpenApiOperationObject {
  const { name, method, summary, right, afterLostResponse, params, query } = route
  const description = [
    right in mayAsk ? mayAsk[right as keyof typeof mayAsk] : `Asks for the right \`${right}\`.`,
    afterLostResponse && `When the response was lost: ${adviceOf(afterLostResponse)}`,
  ]
  return {
    operationId: name,
    tags: [nounOf(route)],
    summary,
    description: description.filter(Boolean).join(' '),
    'x-right': right,
    ...(right in bySecurity && { security: bySecurity[right as keyof typeof bySecurity] }),
    requestParams: {
      ...(params !== nothing && { path: params as z.ZodObject }),
      ...(query !== nothing && { query: query as z.ZodObject }),
      ...(method !== 'GET' &&
        right !== 'anyone' && { header: z.object({ 'Idempotency-Key': idempotencyKey }) }),
    },
    ...bodyOf(route),
    responses: {
      [route.status]: {
        description: 'Done.',
        headers,
        content: {
          'application/json': { schema: route.response },
          ...(route.stream && { 'text/event-stream': { schema: { type: 'string' } } }),
          ...Object.fromEntries(
            Object.keys(route.downloads ?? {}).map((type) => [
              type,
              { schema: { type: 'string' } },
            ]),
          ),
        },
      },
      ...failuresOf(route),
    },
  }
}

function bodyOf({ body }: NamedRoute): Pick<ZodOpenApiOperationObject, 'requestBody'> {
  if (body === nothing) return {}
  if (body === csvFile)
    return {
      requestBody: { required: true, content: { 'text/csv': { schema: { type: 'string' } } } },
    }
  const required = !body.safeParse({}).success
  return { requestBody: { required, content: { 'application/json': { schema: body } } } }
}

/** By HTTP status. */
function failuresOf(route: NamedRoute): ZodOpenApiOperationObject['responses'] {
  const possible = [...new Set<Failure>([...common, ...route.errors])]
  return Object.fromEntries(
    possible.map((failure) => [failures[failure].http, failureResponses.get(failure)!]),
  )
}
