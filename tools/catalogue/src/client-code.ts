import type { Parameter, Schema } from '../../../services/api/src/docs/api-document.ts'
import { fieldsText, indented, typeText } from './client-types.ts'

type Content = Readonly<Record<string, { schema: Schema }>>

interface Operation {
  operationId: string
  summary: string
  description: string
  parameters?: readonly Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Readonly<Record<string, { content?: Content }>>
}

/** The OpenAPI document, as far as its client goes. */
interface OpenApi {
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  components: { schemas: Readonly<Record<string, Schema>> }
}

interface Request extends Operation {
  method: string
  path: string
}

/** The code of `packages/client/gen`: a type for each schema, and each request by its name. */
export function writeClientCode({ paths, components }: OpenApi): string {
  const all = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, method, path })),
  )
  const requests = all.filter((request) => answerOf(request) !== undefined)
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `export interface ${name} ${typeText(schema)}`,
  )
  return `// Written by \`npm run catalogue\` from the routes of the public API; do not edit.
import type { Upload } from '../src/upload.ts'

${schemas.join('\n\n')}

/** What each request takes and answers, by its name. */
export interface Operations {
${requests.map((request) => indented(operationText(request))).join('\n')}
}

/** How each request is made. \`list\` names the field with the entries of a page. */
export const operations = {
${requests.map((request) => indented(requestText(request))).join('\n')}
} as const
`
}

/** As an object: parts of an answer are told apart by their name. */
function operationText(request: Request): string {
  const { operationId, summary, description } = request
  return `/** ${summary} ${description} */
${operationId}: {
${indented(`input: ${inputText(request)}\noutput: ${typeText(answerOf(request)!)}`)}
}`
}

/** Fields of the path and the query by their names, and the body. */
function inputText({ parameters = [], requestBody }: Request): string {
  const named = parameters.filter((one) => one.in !== 'header')
  const fields = Object.fromEntries(named.map(({ name, schema }) => [name, schema]))
  if (Object.keys(fields).length < named.length || 'body' in fields)
    throw new Error('Two parameters of one request have the same name')
  const required = named.filter((one) => one.required).map(({ name }) => name)
  if (!requestBody) return fieldsText(fields, required)
  const [[type, { schema }]] = Object.entries(requestBody.content) as [[string, { schema: Schema }]]
  const text = type === 'application/json' ? typeText(schema) : 'Upload'
  const body = indented(`body${requestBody.required ? '' : '?'}: ${text}`)
  const others = fieldsText(fields, required)
  return others === '{}' ? `{\n${body}\n}` : others.replace(/\n}$/, `\n${body}\n}`)
}

/** Of a success; undefined when that is no JSON, as of a stream. */
function answerOf({ responses }: Request): Schema | undefined {
  const [, success] = Object.entries(responses).find(([status]) => status.startsWith('2'))!
  return success.content?.['application/json']?.schema
}

function requestText(request: Request): string {
  const { operationId, method, path, requestBody } = request
  const type = Object.keys(requestBody?.content ?? {})[0]
  const list = listOf(answerOf(request)!)
  const fields = [`method: '${method.toUpperCase()}'`, `path: '${path}'`]
  if (type) fields.push(`type: '${type}'`)
  if (list) fields.push(`list: '${list}'`)
  return `${operationId}: { ${fields.join(', ')} },`
}

/** The field with the entries, of an answer that is a page. */
function listOf({ properties = {} }: Schema): string | undefined {
  if (!('next_cursor' in properties)) return undefined
  return Object.keys(properties).find((name) => properties[name]!.type === 'array')
}
