import fc from 'fast-check'
import { csvFile } from '../../src/input.ts'
import type { Route } from '../../src/route.ts'
import { type Known, odd, valuesOf } from './values.ts'

/** A request as its bytes go out. */
export interface Sent {
  method: string
  /** Path and query, escaped as they are sent. */
  target: string
  headers: Record<string, string>
  body?: string
  /** How the body's text becomes bytes. */
  encoding: 'utf8' | 'latin1'
  /** Bytes that were announced and never come. */
  missingBytes: number
}

interface Parts {
  params: Record<string, unknown>
  query: Record<string, unknown>
  body: unknown
}

const fields = (schema: Route['query'], known: Known) =>
  valuesOf(schema, known) as fc.Arbitrary<Record<string, unknown>>

const cell = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('"', '+49 1512 0000001', 'Ana', 'a,b', '\0', '=1+1', 'stop', '\t', "'"),
)
/** Files that are like contacts, and some that are nothing. */
const csvText = fc.oneof(
  fc
    .array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 6 })
    .map((rows) => `name,phone,tags\n${rows.map((row) => row.join(',')).join('\n')}\n`),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', ',', '\ufeff', '"', '\r\r\r', 'x'.repeat(65_536), '\n'.repeat(5_000)),
)

/** Requests that fit the schemas of a route. */
export function fitting(route: Route, known: Known): fc.Arbitrary<Sent> {
  const isCsv = route.body === csvFile
  return fc
    .record({
      params: fields(route.params, known),
      query: fields(route.query, known),
      body: isCsv ? csvText : valuesOf(route.body, known),
    })
    .map((parts) => sent(route, parts))
}

function sent(route: Route, { params, query, body }: Parts): Sent {
  const path = route.path.replaceAll(/:(\w+)/g, (_, name) => escaped(params[name]))
  const pairs = Object.entries(query).map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
  const target = pairs.length > 0 ? `${path}?${pairs.join('&')}` : path
  const rest = { method: route.method, target, encoding: 'utf8', missingBytes: 0 } as const
  if (route.method === 'GET') return { ...rest, headers: {} }
  const type = route.body === csvFile ? 'text/csv' : 'application/json'
  const text = typeof body === 'string' && type === 'text/csv' ? body : JSON.stringify(body)
  return { ...rest, headers: { 'content-type': type }, body: text }
}

/** Lone surrogates can't be escaped. */
const escaped = (value: unknown) => encodeURIComponent(String(value).toWellFormed())

/** A text that stands in a target as it is. */
const rawTexts = fc.oneof(
  fc.constantFrom(
    ...['%00', '%zz', '%', '%c0%af', '%2e%2e%2f', '%2f', '..', '.', '%ff%fe', '%ed%a0%80'],
    ...['%0d%0aX-Injected:1', '+', '%252e', '*', '\u00ff', '$where', '__proto__', ';', '//'],
    ...['a'.repeat(101), 'a'.repeat(10_000), '%F0%9D%84%9E', '%E2%80%AE', '1%00', '9'.repeat(18)],
  ),
  fc.string({ unit: 'binary' }).map((text) => escaped(text)),
)

type Spoil = (fits: Sent) => fc.Arbitrary<Sent>

const inPath: Spoil = (fits) => {
  const [path, query] = fits.target.split('?')
  const segments = path!.split('/')
  return fc
    .tuple(fc.integer({ min: 2, max: segments.length - 1 }), rawTexts)
    .map(([at, text]) => segments.with(at, text).join('/'))
    .map((changed) => ({ ...fits, target: query === undefined ? changed : `${changed}?${query}` }))
}

const inQuery: Spoil = (fits) => {
  const { pathname, searchParams } = new URL(fits.target, 'http://api')
  const names = [...searchParams.keys(), 'cursor', 'limit', '__proto__', 'constructor', 'x']
  return fc
    .array(fc.tuple(fc.constantFrom(...names), rawTexts), { minLength: 1, maxLength: 4 })
    .map((pairs) => pairs.map(([name, text]) => `${name}=${text}`))
    .map((added) => ({
      ...fits,
      target: `${pathname}?${[...fits.target.split('?').slice(1), ...added].join('&')}`,
    }))
}

const inField: Spoil = (fits) => {
  const body = JSON.parse(fits.body ?? '{}')
  const names = [...Object.keys(body), 'extra', 'constructor']
  return fc
    .tuple(fc.constantFrom(...names), odd)
    .map(([name, value]) => ({ ...fits, body: JSON.stringify({ ...body, [name]: value }) }))
}

const asBody: Spoil = (fits) =>
  fc
    .oneof(
      odd.map((value) => JSON.stringify(value)),
      fc.nat({ max: fits.body?.length ?? 0 }).map((end) => (fits.body ?? '').slice(0, end)),
      fc.constantFrom(
        ...['{"__proto__": {"name": 1}}', '{"constructor": {"prototype": {}}}', '\ufeff{}'],
        ...['{"name": "a", "name": "b"}', 'NaN', '{]', '[1', '"', '\0', '{"a": 1e999}', 'nul'],
        ...['['.repeat(50_000), '{"a":'.repeat(20_000), `"${'\\u0000'.repeat(10_000)}"`],
        ...['{"name": "\ud800"}', '{"name": "\\ud800"}', ' '.repeat(65_536)],
      ),
    )
    .map((body) => ({ ...fits, body }))

const asBytes: Spoil = (fits) =>
  fc
    .uint8Array({ maxLength: 200 })
    .map((bytes) => Buffer.from(bytes).toString('latin1'))
    .map((body) => ({ ...fits, body, encoding: 'latin1' }))

const inHeaders: Spoil = (fits) =>
  fc
    .constantFrom<Record<string, string>>(
      ...['text/plain', 'application/xml', 'multipart/form-data; boundary=x', '', ';', 'a/b/c'].map(
        (type) => ({ 'content-type': type }),
      ),
      ...['application/json; charset=utf-16', 'text/csv', 'application/json'].map((type) => ({
        'content-type': type,
      })),
      ...['', 'a b', 'ä', 'x'.repeat(256), 'x'.repeat(4_000)].map((key) => ({
        'idempotency-key': key,
      })),
      { 'idempotency-key': 'fuzz' },
      { 'content-encoding': 'gzip' },
      { 'x-request-id': '\u00ff"<script>' },
      { 'x-http-method-override': 'DELETE' },
      { expect: '200-ok' },
      { accept: 'text/html', 'accept-encoding': 'br', range: 'bytes=0-1' },
      { origin: 'https://other.example', host: 'other.example' },
    )
    .map((headers) => ({ ...fits, headers: { ...fits.headers, ...headers } }))

const inLength: Spoil = (fits) =>
  fc.constantFrom(1, 1_000, 10_000_000).map((missingBytes) => ({ ...fits, missingBytes }))

/** Requests that a route must not be hurt by: one that fits, with something spoiled. */
export function spoiled(route: Route, known: Known): fc.Arbitrary<Sent> {
  const ways: Spoil[] = [inPath, inQuery, inHeaders]
  if (route.method !== 'GET') ways.push(asBody, asBytes, inLength)
  if (route.method !== 'GET' && route.body !== csvFile) ways.push(inField, inField, inField)
  return fc
    .tuple(fitting(route, known), fc.constantFrom(...ways))
    .chain(([fits, spoil]) => spoil(fits))
}
