import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createLogger } from '@lockstep/telemetry'
import { certificateOf, until } from '@lockstep/testing'
import { afterEach, expect, test } from 'vitest'
import { FeedDefinition } from '../gen/lockstep/feed/v1/feed.ts'
import { type Call, connect, serve, type TlsFiles } from '../src/index.ts'
import { serveSome } from './served.ts'

/** Certificates are renewed while services run. */
const log = createLogger({ service: 'test', level: 'silent' })
let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

const fixture = (file: string) => path.join(import.meta.dirname, 'fixtures', `theirs-${file}.pem`)
const theirs: TlsFiles = { ca: fixture('ca'), cert: fixture('cert'), key: fixture('key') }

/** TLS files that can be replaced, as a deployment does it. */
function renewable(first: TlsFiles): { files: TlsFiles; renew(next: Partial<TlsFiles>): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-tls-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const at = (name: string) => path.join(folder, name)
  const files = { ca: at('ca'), cert: at('cert'), key: at('key'), refreshMs: 20 }
  const renew = (next: Partial<TlsFiles>) => {
    for (const name of ['ca', 'cert', 'key'] as const)
      if (next[name]) copyFileSync(next[name], files[name])
  }
  renew(first)
  return { files, renew }
}

/** A feed that answers who calls; its connections are short. */
async function open(tls: TlsFiles) {
  const callers: (string | undefined)[] = []
  const take = async (_ctx: unknown, _request: unknown, { caller }: Call) => {
    callers.push(caller)
    return { entries: [], more: false, nextDueMs: undefined }
  }
  const may = { take: ['campaigns', 'contacts'] as const }
  const served = [serveSome(FeedDefinition, { take }, ['take'], may)]
  const options = { host: '127.0.0.1', port: 0, served, log, tls, maxConnectionAgeMs: 200 }
  const server = stack.use(await serve(options))
  return { address: `127.0.0.1:${server.port}`, callers }
}

test('a client takes the certificate that replaced its own, without a call that fails', async () => {
  const { address, callers } = await open(certificateOf('accounts'))
  const own = renewable(certificateOf('campaigns'))
  using client = connect(FeedDefinition, address, own.files)
  await client.take({}, {})
  own.renew(certificateOf('contacts'))
  await until(async () => (await client.take({}, {})) && callers.at(-1) === 'contacts')
  expect([...new Set(callers)]).toEqual(['campaigns', 'contacts'])
})

test('files that do not fit together leave those before in use', async () => {
  const { address, callers } = await open(certificateOf('accounts'))
  const own = renewable(certificateOf('campaigns'))
  using client = connect(FeedDefinition, address, own.files)
  own.renew({ cert: theirs.cert })
  const end = performance.now() + 600
  while (performance.now() < end) await client.take({}, {})
  expect([...new Set(callers)]).toEqual(['campaigns'])
})

test('a server takes the certificate and the authority that replaced its own', async () => {
  const own = renewable(theirs)
  const { address } = await open(own.files)
  using client = connect(FeedDefinition, address, certificateOf('campaigns'))
  await expect(client.take({}, {})).rejects.toMatchObject({ failure: 'busy' })
  own.renew(certificateOf('accounts'))
  expect(await until(() => client.take({}, {}))).toMatchObject({ entries: [] })
})
