import { failures, mayDo, type Right, rights, roles } from '@lockstep/contracts'
import { Html, html, withCode } from '../pages/html.ts'
import { type ServedPage, servedPage } from '../pages/page.ts'
import type { ApiDocument } from './api-document.ts'
import { type Endpoint, showEndpoint } from './operation.ts'
import { fieldRows, fieldTable, schemaAnchor } from './schema.ts'
import { style } from './style.ts'

/** The public API for people; anchors: error codes, rights, operations, schemas. */
export function docsPage(document: ApiDocument): ServedPage {
  const nouns = groupByNoun(document)
  const schemas = Object.entries(document.components.schemas)
  const title = `${document.info.title} API`
  const body = html`<nav>${navigation(nouns)}</nav>
<main>
<h1>${title}</h1>
<p>${document.info.description}</p>
<p>For programs: <a href="/v1/openapi.json">OpenAPI 3.1</a>.</p>
${new Html(manners)}
${errorTable()}
${rightTable()}
${[...nouns].map(
  ([noun, endpoints]) => html`<h2 id="${noun}">${noun}</h2>
${endpoints.map(showEndpoint)}`,
)}
<h2 id="schemas">Schemas</h2>
${schemas.map(
  ([name, schema]) => html`<article id="${schemaAnchor(name)}"><h3>${name}</h3>
${fieldTable(fieldRows(schema))}</article>`,
)}
</main>`
  return servedPage({ title, style, body })
}

/** How every request behaves. */
const manners = `<h2 id="requests">Requests</h2>
<pre>curl -H "Authorization: Bearer lk_…" https://…/v1/campaigns</pre>
<ul>
<li><b>Key.</b> Each request carries an API key. It has some of the <a href="#rights">rights</a> below; an operation names the one it asks for.</li>
<li><b>JSON</b> in snake_case, times in ISO 8601. A body or query with an unknown field is refused. An answer may get further fields.</li>
<li><b>Lists</b> come in pages: send the <code>next_cursor</code> of the page before as <code>cursor</code>. It is null on the last page.</li>
<li><b>Once.</b> Send an <code>Idempotency-Key</code> with each POST, PUT, PATCH and DELETE: however often the request is sent with it, it takes effect at most once.</li>
<li><b>Limits.</b> A key and an account have a number of requests a minute, a quarter of them at once. Each answer tells how they stand in <code>RateLimit</code> and <code>RateLimit-Policy</code> (<code>RateLimit-Limit</code>, <code>-Remaining</code> and <code>-Reset</code> for the scarcer one).</li>
<li><b>Request id.</b> Each answer has <code>X-Request-Id</code>, your own if you sent one; the logs of every service know it.</li>
</ul>
`

function groupByNoun({ tags, paths }: ApiDocument): Map<string, Endpoint[]> {
  const endpoints = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  )
  const ofNoun = (noun: string) => endpoints.filter(({ operation }) => operation.tags[0] === noun)
  return new Map(tags.map(({ name }) => [name, ofNoun(name)]))
}

function navigation(nouns: Map<string, Endpoint[]>): Html {
  const items = [...nouns].map(
    ([noun, endpoints]) =>
      html`<h2><a href="#${noun}">${noun}</a></h2><ul>${endpoints.map(
        ({ operation }) =>
          html`<li><a href="#${operation.operationId}">${operation.operationId}</a></li>`,
      )}</ul>`,
  )
  return html`<ul><li><a href="#requests">Requests</a></li><li><a href="#errors">Errors</a></li>
<li><a href="#rights">Rights</a></li><li><a href="#schemas">Schemas</a></li></ul>${items}`
}

function errorTable(): Html {
  const rows = Object.entries(failures).map(
    ([code, { http, title, advice }]) => html`<tr id="${code}"><td><code>${code}</code></td>
<td>${http}</td><td>${title}</td><td>${withCode(advice)}</td></tr>`,
  )
  return html`<h2 id="errors">Errors</h2>
<p>An error is <code>application/problem+json</code> (RFC 9457, <a href="#schema-Problem">Problem</a>).
Its <code>type</code> points to a row of this table; <code>detail</code> says what is wrong, with what, and what to do.</p>
<table><thead><tr><th>code</th><th>status</th><th>means</th><th>what to do</th></tr></thead><tbody>${rows}</tbody></table>`
}

function rightTable(): Html {
  const names = Object.keys(roles)
  const rows = Object.entries(rights).map(
    ([right, does]) => html`<tr id="${right}"><td><code>${right}</code></td><td>${does}</td>
${Object.values(roles).map((held) => html`<td>${mayDo(held, right as Right) && 'yes'}</td>`)}</tr>`,
  )
  return html`<h2 id="rights">Rights</h2>
<table><thead><tr><th>right</th><th>who has it may</th>${names.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table>`
}
