import { readFileSync } from 'node:fs'
import path from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { allCallers, type Caller, type ServiceName, services } from '@lockstep/contracts'
import { feedService } from '@lockstep/feeds'
import { loadService } from '@lockstep/system'
import { createLogger } from '@lockstep/telemetry'
import { certificateOf } from '@lockstep/testing'
import { createChannel, createClient, Metadata } from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HealthDefinition } from '../gen/grpc/health/v1/health.ts'
import { ServerReflectionDefinition } from '../gen/grpc/reflection/v1/reflection.ts'
import { FeedDefinition } from '../gen/lockstep/feed/v1/feed.ts'
import { TemplatesDefinition } from '../gen/lockstep/templates/v1/templates.ts'
import { type BoundService, type Call, connect, serve, type TlsFiles } from '../src/index.ts'
import { serveSome } from './served.ts'

const stack = new AsyncDisposableStack()
const host = '127.0.0.1'
const log = createLogger({ service: 'test', level: 'silent' })
const calls: Call[] = []
const addresses = new Map<ServiceName, string>()

/** What each service serves: its own methods and its feed, as it declares them. */
const served = new Map<ServiceName, Pick<BoundService, 'definition' | 'callers'>[]>()
for (const service of services) {
  const { rpc } = await loadService(service)
  const feed = feedService({ config: { service } } as never, {} as never)
  served.set(service, rpc ? [rpc, feed] : [feed])
}

/** Every method of every service, by the service that serves it. */
const methods = services.flatMap((service) =>
  served.get(service)!.flatMap(({ definition, callers }) =>
    Object.entries(methodsOf(definition).methods).map(([name, { name: wireName }]) => ({
      service,
      definition,
      name,
      path: `${methodsOf(definition).fullName}/${wireName}`,
      callers: callers[name] ?? [],
    })),
  ),
)

const callersOf = (service: ServiceName, path: string) =>
  methods.find((method) => method.service === service && method.path === path)?.callers

function methodsOf(definition: CompatServiceDefinition) {
  return definition as unknown as {
    fullName: string
    methods: Record<string, { name: string; requestStream: boolean }>
  }
}

beforeAll(async () => {
  for (const service of services) {
    const take = async (_ctx: unknown, _request: unknown, call: Call) => {
      calls.push(call)
      return { entries: [], more: false, nextDueMs: undefined }
    }
    const doing = served.get(service)!.map(({ definition, callers }) => {
      const all = Object.keys(methodsOf(definition).methods)
      return serveSome(
        definition as never,
        definition === FeedDefinition ? { take } : {},
        all,
        callers,
      )
    })
    const server = stack.use(
      await serve({ host, port: 0, served: doing, log, tls: certificateOf(service) }),
    )
    addresses.set(service, `${host}:${server.port}`)
  }
})
afterAll(() => stack.disposeAsync())

const take = async (tls?: TlsFiles) => {
  using client = connect(FeedDefinition, addresses.get('webhook-gateway')!, tls)
  return await client.take({}, { timeoutMs: 5_000 })
}

type AnyClient = Record<string, (request: unknown, call: object) => unknown>

/** Whether a call is let through to its method, which here does nothing but fail; anything else by its name. */
async function endOf(
  client: AnyClient,
  name: string,
  requestStream: boolean,
): Promise<string | undefined> {
  async function* nothing() {}
  try {
    const answer = client[name]!(requestStream ? nothing() : {}, { timeoutMs: 60_000 })
    if (Symbol.asyncIterator in Object(answer))
      for await (const _ of answer as AsyncIterable<unknown>) break
    else await answer
    return 'let through'
  } catch (error) {
    const { failure } = error as { failure?: string }
    return failure === 'internal' ? 'let through' : failure
  }
}

test('each method of each service is called by those that the table names, and by no other certificate', async () => {
  expect(methods.length).toBeGreaterThan(80)
  const wrong: string[] = []
  for (const identity of [...allCallers, 'stranger' as const])
    for (const [service, its] of Map.groupBy(methods, (method) => method.service))
      for (const [definition, ofOne] of Map.groupBy(its, (method) => method.definition)) {
        using client = connect(definition, addresses.get(service)!, certificateOf(identity))
        for (const { name, path: method, callers } of ofOne) {
          const right = callers.includes(identity as Caller) ? 'let through' : 'forbidden'
          const end = await endOf(
            client as unknown as AnyClient,
            name,
            methodsOf(definition).methods[name]!.requestStream,
          )
          if (end !== right) wrong.push(`${identity} calls ${method} of ${service}: ${end}`)
        }
      }
  expect(wrong).toEqual([])
})

test('each method that is served has a caller, and a service reaches no feed but those of its lanes', () => {
  const uncalled = methods.filter(
    ({ path: method, callers }) => !method.includes('Feed/') && callers.length === 0,
  )
  expect(uncalled).toEqual([])
  expect(callersOf('webhook-gateway', 'lockstep.feed.v1.Feed/Take')?.toSorted()).toEqual([
    'accounts',
    'campaigns',
    'conversations',
    'templates',
  ])
  expect(callersOf('accounts', 'lockstep.feed.v1.Feed/Take')).toEqual(['webhook-gateway', 'events'])
  expect(callersOf('templates', 'lockstep.feed.v1.Feed/Take')).toEqual(['events'])
  expect(callersOf('campaigns', 'lockstep.feed.v1.Feed/Dismiss')).toEqual(['operator'])
})

test('a method that is declared for nobody, or not at all, can not be called', async () => {
  const alone = serveSome(FeedDefinition, {}, ['take'], { take: ['operator'] })
  const undeclared = serveSome(TemplatesDefinition, {}, ['getTemplate'], {})
  const served = [alone, undeclared]
  const server = stack.use(
    await serve({ host, port: 0, served, log, tls: certificateOf('campaigns') }),
  )
  using client = connect(FeedDefinition, `${host}:${server.port}`, certificateOf('operator'))
  using other = connect(TemplatesDefinition, `${host}:${server.port}`, certificateOf('operator'))
  expect(await endOf(client as unknown as AnyClient, 'take', false)).toBe('let through')
  expect(await endOf(client as unknown as AnyClient, 'settle', false)).toBe('forbidden')
  expect(await endOf(other as unknown as AnyClient, 'getTemplate', false)).toBe('forbidden')
})

test('any service may ask for health, and only the operator for what is served', async () => {
  const address = addresses.get('templates')!
  const end = async (identity: Caller | 'stranger') => {
    using health = connect(HealthDefinition, address, certificateOf(identity))
    using reflection = connect(ServerReflectionDefinition, address, certificateOf(identity))
    const [one, other] = [health, reflection] as unknown as [AnyClient, AnyClient]
    return [await endOf(one, 'check', false), await endOf(other, 'serverReflectionInfo', true)]
  }
  expect(await end('campaigns')).toEqual(['let through', 'forbidden'])
  expect(await end('operator')).toEqual(['let through', 'let through'])
  expect(await end('stranger')).toEqual(['forbidden', 'forbidden'])
})

test('a certificate with two names is nobody, and a caller can not name another in its metadata', async () => {
  await expect(take(certificateOf('two-names'))).rejects.toMatchObject({ failure: 'forbidden' })
  await expect(take(certificateOf('contacts'))).rejects.toMatchObject({
    failure: 'forbidden',
    message: 'The certificate of contacts may not call /lockstep.feed.v1.Feed/Take',
  })
  const { ca, cert, key } = certificateOf('templates')
  const files = [ca, key, cert].map((file) => readFileSync(file)) as [Buffer, Buffer, Buffer]
  const channel = createChannel(addresses.get('webhook-gateway')!, credentials.createSsl(...files))
  stack.defer(() => channel.close())
  const before = calls.length
  await createClient(FeedDefinition, channel).take(
    {},
    { metadata: new Metadata({ 'lockstep-caller': 'campaigns', 'grpc-timeout': '5S' }) },
  )
  expect(calls.slice(before).map(({ caller }) => caller)).toEqual(['templates'])
})

const theirs = Object.fromEntries(
  ['ca', 'cert', 'key'].map((file) => [
    file,
    path.join(import.meta.dirname, 'fixtures', `theirs-${file}.pem`),
  ]),
) as unknown as TlsFiles

test('services that trust the same authority talk to each other', async () => {
  expect(await take(certificateOf('campaigns'))).toEqual({ entries: [], more: false })
})

test('a caller without a certificate of our authority is refused, and so is a plain one', async () => {
  const { ca } = certificateOf('campaigns')
  const impostor = { ...theirs, ca } // trusts us, but we don't know who signed it
  await expect(take(impostor)).rejects.toMatchObject({ failure: 'busy' })
  await expect(take(undefined)).rejects.toMatchObject({ failure: 'busy' })
  const channel = createChannel(
    addresses.get('webhook-gateway')!,
    credentials.createSsl(readFileSync(ca)),
  )
  stack.defer(() => channel.close())
  const bare = createClient(FeedDefinition, channel)
  await expect(bare.take({}, { signal: AbortSignal.timeout(5_000) })).rejects.toMatchObject({
    code: 14,
  })
})

test('a server that another authority has signed is not spoken to', async () => {
  await expect(take(theirs)).rejects.toMatchObject({ failure: 'busy' })
})
