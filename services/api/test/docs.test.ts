import { createHash } from 'node:crypto'
import { failures, rights } from '@lockstep/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../src/http/index.ts'
import { html } from '../src/pages/html.ts'
import { openApi, openStack } from './fixtures.ts'

const stack = new AsyncDisposableStack()
let response: Response
let page: string

beforeAll(async () => {
  const system = stack.use(await openStack())
  const api = stack.use(await openApi(system.config))
  response = await fetch(`${api.url}/docs`)
  page = await response.text()
})
afterAll(() => stack.disposeAsync())

const all = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, found]) => found!)

test('a stranger reads the page, and a browser lets it run, load and send nothing', () => {
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/html; charset=utf-8',
  ])
  const [style] = all(/<style>(.*?)<\/style>/gs)
  const hash = createHash('sha256').update(style!).digest('base64')
  expect(response.headers.get('content-security-policy')).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
  expect(page).not.toMatch(/<(script|link|img|iframe|form|object|embed|base)\b/)
  expect(page).not.toMatch(/ (on\w+|src|srcset|style|action)=/)
  expect(style).not.toMatch(/url\(|@import/)
})

test('each link leads to a place on the page or to a path of the API', () => {
  const ids = all(/ id="([^"]+)"/g)
  expect(ids).toEqual([...new Set(ids)])
  const links = new Set(all(/ href="([^"]+)"/g))
  const known = new Set(['/v1/openapi.json', ...ids.map((id) => `#${id}`)])
  expect([...links].filter((link) => !known.has(link))).toEqual([])
})

test('each error code, right and request has its place', () => {
  const ids = all(/ id="([^"]+)"/g)
  const names = routes.map(({ name }) => name)
  expect(ids).toEqual(
    expect.arrayContaining([...Object.keys(failures), ...Object.keys(rights), ...names]),
  )
})

test('the type of a problem is a place on the page', async () => {
  const refused = await fetch(new URL('/v1/contacts', response.url))
  const problem = (await refused.json()) as { type: string }
  expect(problem.type).toBe('/docs#unauthenticated')
  expect(page).toContain(' id="unauthenticated"')
})

test('what is put into HTML is no HTML, unless it was made as such', () => {
  const bold = html`<b>${'<&">'}</b>`
  expect(html`${bold} ${"'"} ${3} ${null} ${false}`.text).toBe(
    '<b>&#60;&#38;&#34;&#62;</b> &#39; 3  ',
  )
})
