import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const preload = new URL('../src/preload.ts', import.meta.url).href
const script = `
  import { injectTrace, withTrace } from '${new URL('../src/trace.ts', import.meta.url).href}'
  const headers = {}
  await withTrace(() => undefined, 'first', async () => injectTrace((k, v) => { headers[k] = v }))
  await withTrace((k) => headers[k], 'second', async () => undefined)
  console.log(JSON.stringify(headers))`

async function trace(env: Record<string, string>): Promise<Record<string, string>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, LOCKSTEP_OTLP_URL, ...rest } = process.env
  const { stdout } = await run(
    process.execPath,
    ['--import', preload, '--input-type=module', '-e', script],
    { env: { ...rest, ...env } },
  )
  return JSON.parse(stdout)
}

test('with a collector, spans arrive there and one trace runs through a message', async () => {
  const bodies: string[] = []
  const collector = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk) => {
      body += chunk
    })
    req.on('end', () => {
      bodies.push(`${req.url} ${body}`)
      res.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  try {
    const headers = await trace({
      LOCKSTEP_OTLP_URL: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      OTEL_SERVICE_NAME: 'campaigns',
    })
    const traceId = headers.traceparent!.split('-')[1]!
    expect(bodies.join()).toContain('/v1/traces')
    const spans = bodies.flatMap((body) =>
      JSON.parse(body.slice(body.indexOf('{'))).resourceSpans.flatMap(
        (resource: { scopeSpans: { spans: { name: string; traceId: string }[] }[] }) =>
          resource.scopeSpans.flatMap((scope) => scope.spans),
      ),
    )
    expect(spans.map((span) => [span.name, span.traceId]).sort()).toEqual([
      ['first', traceId],
      ['second', traceId],
    ])
    expect(bodies.join()).toContain('"campaigns"')
  } finally {
    collector.close()
  }
})

test('without a collector nothing is traced', async () => {
  expect(await trace({})).toEqual({})
})
