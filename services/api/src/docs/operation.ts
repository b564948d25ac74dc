import { type Html, html, withCode } from '../pages/html.ts'
import type { Operation, Parameter, Schema } from './api-document.ts'
import { fieldRow, fieldRows, fieldTable, typeOfSchema } from './schema.ts'

/** A request of the API, as the page shows it. */
export interface Endpoint {
  method: string
  path: string
  operation: Operation
}

/** One request: what it does, asks for, answers and how it fails. */
export function showEndpoint({ method, path, operation }: Endpoint): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  const statuses = Object.entries(responses)
  const [status, done] = statuses.find(([code]) => code.startsWith('2'))!
  const failed = statuses.flatMap(([, { $ref }]) => ($ref ? [$ref.split('/').at(-1)!] : []))
  return html`<article id="${operationId}">
<h3><a href="#${operationId}"><code class="${method}">${method.toUpperCase()}</code> <code>${path}</code></a></h3>
<p>${withCode(summary)}</p>
<p class="aside">${withCode(description)}</p>
${parameters.length > 0 && html`<h4>Parameters</h4>${fieldTable(parameters.map(parameterRow))}`}
${requestBody && showContent('Body', requestBody.content)}
${showContent(`Answer ${status}`, done.content ?? {})}
<p class="aside">Fails with ${failed.map((code) => html`<a href="#${code}"><code>${code}</code></a> `)}</p>
</article>
`
}

const parameterRow = (parameter: Parameter): Html =>
  fieldRow(
    parameter.in === 'path' ? `{${parameter.name}}` : parameter.name,
    parameter.schema,
    parameter.required ?? false,
  )

function showContent(title: string, content: Readonly<Record<string, { schema: Schema }>>): Html {
  const parts = Object.entries(content).map(([type, { schema }]) => {
    const rows = fieldRows(schema)
    return html`<h4>${title}: ${type === 'application/json' ? typeOfSchema(schema) : type}</h4>
${rows.length > 0 && fieldTable(rows)}`
  })
  return html`${parts}`
}
