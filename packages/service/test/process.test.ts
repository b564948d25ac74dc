import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createWorld, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

const stack = new AsyncDisposableStack()
let world: World
beforeAll(async () => {
  world = stack.use(await createWorld())
})
afterAll(() => stack.disposeAsync())

const goodEnvironment = () => ({
  LOCKSTEP_POSTGRES_URL: world.roleUrl('campaigns'),
  LOCKSTEP_NATS_URL: world.nats.url,
  LOCKSTEP_REDIS_URL: world.redis.url,
  LOCKSTEP_HOST: '127.0.0.1',
  LOCKSTEP_GRPC_PORT: '0',
  LOCKSTEP_HEALTH_PORT: '0',
  LOCKSTEP_GRPC_PLAINTEXT: 'true',
  LOCKSTEP_STREAM_REPLICAS: '1',
  LOCKSTEP_LOG_LEVEL: 'silent',
})

function launch(env: Record<string, string>): {
  child: ChildProcess
  output: () => string
  says(word: string): Promise<void>
  ended: Promise<unknown[]>
} {
  const child = spawn(process.execPath, [path.resolve(import.meta.dirname, 'fixtures/main.ts')], {
    env,
    stdio: 'pipe',
  })
  stack.defer(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data) => (output += data))
  const ended = once(child, 'exit')
  return {
    child,
    output: () => output,
    ended,
    async says(word) {
      while (!output.includes(word))
        await Promise.race([
          once(child.stdout!, 'data'),
          ended.then(() => Promise.reject(new Error(output))),
        ])
    },
  }
}

test('SIGTERM stops a service within its drain time, by itself and with code 0', async () => {
  const { child, says, ended, output } = launch(goodEnvironment())
  await says('started')
  const startedAt = performance.now()
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  expect(performance.now() - startedAt).toBeLessThan(15_000)
  expect(output()).toBe('started\n')
})

test('a second signal ends a stop that takes too long', async () => {
  const { child, says, ended } = launch({ ...goodEnvironment(), STOPS_SLOWLY: '1' })
  await says('started')
  child.kill('SIGTERM')
  await says('stopping')
  child.kill('SIGINT')
  expect(await ended).toEqual([130, null])
})

test('a wrong environment is said in plain words, every variable of it, and ends the process with 1', async () => {
  const { ended, output } = launch({
    LOCKSTEP_POSTGRES_URL: 'hunter2',
    LOCKSTEP_GRPC_PORT: '99999',
    LOCKSTEP_NATS_URL: '',
    LOCKSTEP_GRPC_TLS_CA: '/ca',
  })
  expect(await ended).toEqual([1, null])
  expect(output()).toBe(`campaigns can't start, its environment is wrong:
  LOCKSTEP_POSTGRES_URL must be a URL such as postgres://contacts:…@postgres:5432/lockstep
  LOCKSTEP_NATS_URL is missing; it must be a URL such as nats://nats:4222
  LOCKSTEP_REDIS_URL is missing; it must be a URL such as redis://redis:6379
  LOCKSTEP_GRPC_PORT must be a whole number from 0 to 65535
  LOCKSTEP_GRPC_TLS_CERT, LOCKSTEP_GRPC_TLS_KEY must name files for mutual TLS between services (a development machine sets LOCKSTEP_GRPC_PLAINTEXT=true)
`)
})

test('a service starts while NATS and Redis are away', async () => {
  const { child, says, ended } = launch({
    ...goodEnvironment(),
    LOCKSTEP_NATS_URL: 'nats://127.0.0.1:1',
    LOCKSTEP_REDIS_URL: 'redis://127.0.0.1:1',
  })
  await says('started')
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})
