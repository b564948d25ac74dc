import { readFileSync } from 'node:fs'
import path from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { createLogger } from '@lockstep/telemetry'
import { createChannel, createClient } from 'nice-grpc'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FeedDefinition } from '../gen/lockstep/feed/v1/feed.ts'
import { connect, serve, type TlsFiles } from '../src/index.ts'
import { serveSome } from './served.ts'

const stack = new AsyncDisposableStack()
let address: string

/** Test identities that are valid for a hundred years: an authority of its own, and a certificate for 127.0.0.1 that it has signed. */
function identity(name: string): TlsFiles {
  const at = (file: string) => path.join(import.meta.dirname, 'fixtures', `${name}-${file}.pem`)
  return { ca: at('ca'), cert: at('cert'), key: at('key') }
}

const ours = identity('ours')
const theirs = identity('theirs')

beforeAll(async () => {
  const feed = serveSome(FeedDefinition, { take: async () => ({ entries: [], nextDueMs: undefined }) }, ['take'])
  const log = createLogger({ service: 'test', level: 'silent' })
  const server = stack.use(await serve({ host: '127.0.0.1', port: 0, served: [feed], log, tls: ours }))
  address = `127.0.0.1:${server.port}`
})
afterAll(() => stack.disposeAsync())

const call = async (tls?: TlsFiles) => {
  using client = connect(FeedDefinition, address, tls)
  return await client.take({}, { timeoutMs: 5_000 })
}

test('services that trust the same authority talk to each other', async () => {
  expect(await call(ours)).toEqual({ entries: [], more: false })
})

test('a caller without a certificate of our authority is refused, and so is a plain one', async () => {
  const impostor = { ...theirs, ca: ours.ca } // trusts us, but we don't know who signed it
  await expect(call(impostor)).rejects.toMatchObject({ failure: 'busy' })
  await expect(call(undefined)).rejects.toMatchObject({ failure: 'busy' })
  const channel = createChannel(address, credentials.createSsl(readFileSync(ours.ca)))
  stack.defer(() => channel.close())
  const bare = createClient(FeedDefinition, channel)
  await expect(bare.take({}, { signal: AbortSignal.timeout(5_000) })).rejects.toMatchObject({ code: 14 })
})

test('a server that another authority has signed is not spoken to', async () => {
  await expect(call(theirs)).rejects.toMatchObject({ failure: 'busy' })
})
