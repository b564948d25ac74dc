import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { AppError, failures } from '@lockstep/contracts'
import { createLogger } from '@lockstep/telemetry'
import { openProxy } from '@lockstep/testing'
import { createChannel, createClient } from 'nice-grpc'
import { afterEach, expect, test } from 'vitest'
import {
  HealthDefinition,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../gen/grpc/health/v1/health.ts'
import { ServerReflectionDefinition } from '../gen/grpc/reflection/v1/reflection.ts'
import { FeedDefinition } from '../gen/lockstep/feed/v1/feed.ts'
import { connect, serve } from '../src/index.ts'
import { serveSome } from './served.ts'

/** What every server does beside its own methods. */
const log = createLogger({ service: 'test', level: 'silent' })
const answer = { entries: [], more: false, nextDueMs: undefined }
let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

async function listen(isReady?: () => Promise<boolean>) {
  let calls = 0
  const take = async () => {
    calls++
    return answer
  }
  const served = [serveSome(FeedDefinition, { take }, ['take'])]
  const server = stack.use(await serve({ host: '127.0.0.1', port: 0, served, log, isReady }))
  return { server, address: `127.0.0.1:${server.port}`, calls: () => calls }
}

test('a call without a deadline does not happen', async () => {
  const { address, calls } = await listen()
  const channel = createChannel(address)
  stack.defer(() => channel.close())
  const bare = createClient(FeedDefinition, channel)
  await expect(bare.take({})).rejects.toMatchObject({
    code: failures.invalid.grpc,
    details: 'The call /lockstep.feed.v1.Feed/Take has no deadline; send "grpc-timeout"',
  })
  expect(calls()).toBe(0)
  using client = connect(FeedDefinition, address)
  expect(await client.take({}, { timeoutMs: 36_000_000 })).toMatchObject(answer)
})

test('health says whether the server and each of its services take calls, and names no other', async () => {
  let isReady = true
  const { address } = await listen(async () => isReady)
  using health = connect(HealthDefinition, address)
  for (const service of ['', 'lockstep.feed.v1.Feed'])
    expect(await health.check({ service }, {})).toEqual({ status: ServingStatus.SERVING })
  await expect(health.check({ service: 'lockstep.feed.v1' }, {})).rejects.toMatchObject({
    failure: 'not_found',
  })
  isReady = false
  expect(await health.check({ service: '' }, {})).toEqual({ status: ServingStatus.NOT_SERVING })
})

test('a watch tells each change of readiness once, and the end of the server', async () => {
  let isReady = false
  const { server, address } = await listen(async () => isReady)
  using health = connect(HealthDefinition, address)
  const seen: number[] = []
  for await (const { status } of health.watch({ service: '' }, { timeoutMs: 20_000 })) {
    seen.push(status)
    if (seen.length === 1) isReady = true
    if (seen.length === 2) void server[Symbol.asyncDispose]()
  }
  const { NOT_SERVING, SERVING, SERVICE_UNKNOWN } = ServingStatus
  expect(seen).toEqual([NOT_SERVING, SERVING, NOT_SERVING])
  const { address: other } = await listen()
  using elsewhere = connect(HealthDefinition, other)
  for await (const { status } of elsewhere.watch({ service: 'nobody' }, {})) {
    expect(status).toBe(SERVICE_UNKNOWN)
    break
  }
})

test('reflection lists what is served, and gives the file of each symbol with what it imports', async () => {
  const { address } = await listen()
  using reflection = connect(ServerReflectionDefinition, address)
  async function* ask() {
    yield { listServices: '*' }
    yield { fileContainingSymbol: 'lockstep.feed.v1.Feed.Take' }
    yield { fileContainingSymbol: 'grpc.health.v1.HealthCheckResponse.ServingStatus' }
    yield { fileByFilename: 'lockstep/accounts/v1/accounts.proto' }
    yield { fileByFilename: 'nowhere.proto' }
    yield { allExtensionNumbersOfType: 'lockstep.feed.v1.Entry' }
  }
  const asked = async function* () {
    for await (const one of ask()) {
      const [$case, value] = Object.entries(one)[0]!
      yield { messageRequest: { $case, [$case]: value } as never }
    }
  }
  const answers = await Array.fromAsync(reflection.serverReflectionInfo(asked(), {}))
  const shown = answers.map(({ messageResponse: answer }) => {
    if (answer?.$case === 'listServicesResponse')
      return answer.listServicesResponse.service.map(({ name }) => name)
    if (answer?.$case === 'fileDescriptorResponse')
      return answer.fileDescriptorResponse.fileDescriptorProto.map(
        (file) => fromBinary(FileDescriptorProtoSchema, file).name,
      )
    return answer?.$case === 'errorResponse' && answer.errorResponse.errorCode
  })
  expect(shown).toEqual([
    ['lockstep.feed.v1.Feed', 'grpc.health.v1.Health'],
    ['lockstep/feed/v1/feed.proto'],
    ['grpc/health/v1/health.proto'],
    ['lockstep/accounts/v1/accounts.proto'],
    5,
    12,
  ])
})

test('a call whose connection breaks is made again only where proto/ says that it is idempotent', async () => {
  let calls = 0
  const breaking = async () => {
    if (++calls === 1) await proxy.down()
    if (calls === 1) await proxy.up()
    return { entries: [], dead: [] } as never
  }
  const methods = { take: breaking, listDead: breaking }
  const served = [serveSome(FeedDefinition, methods, ['take', 'listDead'])]
  const server = stack.use(await serve({ host: '127.0.0.1', port: 0, served, log }))
  const proxy = stack.use(await openProxy(`http://127.0.0.1:${server.port}`))
  using client = connect(FeedDefinition, new URL(proxy.url).host)
  expect(await client.listDead({ lane: '' }, {})).toBeDefined()
  expect(calls).toBe(2)
  calls = 0
  await expect(client.take({}, {})).rejects.toMatchObject({ failure: 'busy' })
  expect(calls).toBe(1)
})

test('what an idempotent method itself says is the answer, also that it is busy', async () => {
  let calls = 0
  const listDead = async () => {
    calls++
    throw new AppError('busy', 'Too much to do')
  }
  const served = [serveSome(FeedDefinition, { listDead }, ['listDead'])]
  const server = stack.use(await serve({ host: '127.0.0.1', port: 0, served, log }))
  using client = connect(FeedDefinition, `127.0.0.1:${server.port}`)
  await expect(client.listDead({ lane: '' }, {})).rejects.toMatchObject({
    message: 'Too much to do',
  })
  expect(calls).toBe(1)
})
