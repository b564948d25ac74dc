import type { Parameter, Schema } from '../../services/api/src/docs/api-document.ts'
import { type Components, type Pair, schemaBreaks } from './schema-breaks.ts'

type Content = Readonly<Record<string, { schema: Schema }>>

interface Operation {
  operationId: string
  'x-right'?: string
  parameters?: readonly Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Readonly<Record<string, { content?: Content }>>
}

/** An OpenAPI 3.1 document, as far as docs/openapi.json goes. */
export interface OpenApi {
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  components?: { schemas?: Components }
}

/** What a client of the document before would find broken, a sentence each. */
export function openApiBreaks(before: OpenApi, after: OpenApi): string[] {
  const components = {
    before: before.components?.schemas ?? {},
    after: after.components?.schemas ?? {},
  }
  return Object.entries(before.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, operation]) => {
      const request = `${method.toUpperCase()} ${path}`
      const now = after.paths[path]?.[method]
      if (!now) return [`${request}: it is gone`]
      const found = operationBreaks({ before: operation, after: now }, components)
      return found.map((said) => `${request}: ${said}`)
    }),
  )
}

function operationBreaks(pair: Pair<Operation>, components: Pair<Components>): string[] {
  return [
    ...identityBreaks(pair),
    ...parameterBreaks(pair, components),
    ...bodyBreaks(pair, components),
    ...responseBreaks(pair, components),
  ]
}

function identityBreaks({ before, after }: Pair<Operation>): string[] {
  const found: string[] = []
  if (before.operationId !== after.operationId)
    found.push(`its name was ${before.operationId}, and is now ${after.operationId}`)
  if (before['x-right'] !== after['x-right'])
    found.push(`it asked for the right ${before['x-right']}, and now for ${after['x-right']}`)
  return found
}

function parameterBreaks(
  { before, after }: Pair<Operation>,
  components: Pair<Components>,
): string[] {
  const find = (operation: Operation, wanted: Parameter) =>
    operation.parameters?.find((one) => one.name === wanted.name && one.in === wanted.in)
  const kept = (before.parameters ?? []).flatMap((old) => {
    const name = `the ${old.in} parameter ${old.name}`
    const now = find(after, old)
    if (!now) return [`${name} is gone`]
    return schemaBreaks({ before: old.schema, after: now.schema }, name, requests(components))
  })
  const demanded = (after.parameters ?? [])
    .filter((now) => now.required && !find(before, now)?.required)
    .map((now) => `the ${now.in} parameter ${now.name} must now be there`)
  return [...kept, ...demanded]
}

const requests = (components: Pair<Components>) =>
  ({ direction: 'request', components, seen: new Set<string>() }) as const

function bodyBreaks({ before, after }: Pair<Operation>, components: Pair<Components>): string[] {
  const [old, now] = [before.requestBody, after.requestBody]
  const found = now?.required && !old?.required ? ['a body must now be there'] : []
  for (const [type, { schema }] of Object.entries(old?.content ?? {})) {
    const other = now?.content[type]?.schema
    if (!other) found.push(`its body may no longer be ${type}`)
    else found.push(...schemaBreaks({ before: schema, after: other }, 'body', requests(components)))
  }
  return found
}

/** Of successes; how else a request fails is no promise. */
function responseBreaks(
  { before, after }: Pair<Operation>,
  components: Pair<Components>,
): string[] {
  const successes = Object.entries(before.responses).filter(([status]) => status.startsWith('2'))
  return successes.flatMap(([status, { content = {} }]) => {
    const now = after.responses[status]
    if (!now) return [`it no longer answers ${status}`]
    return Object.entries(content).flatMap(([type, { schema }]) => {
      const other = now.content?.[type]?.schema
      if (!other) return [`its answer ${status} is no longer ${type}`]
      const comparison = { direction: 'response', components, seen: new Set<string>() } as const
      return schemaBreaks({ before: schema, after: other }, 'answer', comparison)
    })
  })
}
