import { failures } from '@lockstep/contracts'
import { z } from 'zod'
import { securityHeaders } from '../../src/http-response.ts'
import type { Route } from '../../src/route.ts'
import type { Received } from './send.ts'

const problem = z.strictObject({
  type: z.string(),
  title: z.string().min(1),
  status: z.number(),
  code: z.enum(Object.keys(failures)),
  detail: z.string().min(1),
  errors: z
    .array(
      z.strictObject({
        in: z.enum(['path', 'query', 'body']),
        field: z.string().optional(),
        detail: z.string().min(1),
      }),
    )
    .min(1)
    .optional(),
  request_id: z.string().min(1),
})

/** What a failure would tell of the inside: stacks, files, SQL, and names in the database. */
const internals =
  /\n\s+at |node_modules|\.ts:\d|\/services\/|\/packages\/|file:\/\/|syntax error at|violates|relation "|column "|\b(select|insert|update|delete)\b.*\b(from|into|set|where)\b|pg_|_pkey|_fkey|MikroORM|Postgres|ECONN|UND_ERR|TypeError|RangeError|undefined|\[object|lockstep\.\w+\.v1|127\.0\.0\.1/i

/** The words about a path that there is not quote what was asked for. */
const unknownPath = /^There is no [A-Z]+ \S+;/

/** Names of tables, with their schema. */
type TableNames = readonly string[]

/** Says what is wrong with an answer to a request for a route; null when nothing is. */
export function judge(route: Route, answer: Received, tables: TableNames): string | null {
  const { status, headers, body } = answer
  if (status >= 500 && status !== 503 && status !== 504) return `the status is ${status}`
  for (const [name, value] of Object.entries(securityHeaders))
    if (headers[name] !== value) return `the header ${name} is ${headers[name]}`
  if (headers['access-control-allow-origin'] !== undefined) return 'another origin is allowed'
  if (headers['x-injected'] !== undefined) return 'a header was injected'
  const type = `application/${status >= 400 ? 'problem+json' : 'json'}; charset=utf-8`
  if (headers['content-type'] !== type) return `the type is ${headers['content-type']}`
  const json = JSON.parse(body)
  if (status < 400) return fits(route, status, json)
  const parsed = problem.safeParse(json)
  if (!parsed.success) return `no problem's shape: ${parsed.error.message}`
  const { code, detail, request_id } = parsed.data
  if (failures[code as keyof typeof failures].http !== status) return `${status} is not ${code}`
  if (headers['x-request-id'] !== request_id) return 'the header x-request-id is another'
  const own = detail.replace(unknownPath, '')
  const table = tables.find((name) => own.includes(name))
  const inside = internals.exec(own)?.[0] ?? table
  return inside ? `it tells of the inside: ${inside}` : null
}

function fits(route: Route, status: number, json: unknown): string | null {
  if (status !== route.status) return `the status is not ${route.status}`
  const parsed = route.response.safeParse(json)
  if (!parsed.success) return `another shape than its schema's: ${parsed.error.message}`
  return JSON.stringify(parsed.data) === JSON.stringify(json) ? null : 'more than its schema says'
}
