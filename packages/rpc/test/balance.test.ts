import type { AppError } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterEach, expect, test } from 'vitest'
import { replicas } from './replicas.ts'

const host = '127.0.0.1'
let world = replicas()
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  world = replicas()
})

test('calls take turns over two replicas in a list, and one that stops hands its calls to the other without an error', async () => {
  const [one, two] = [await world.replica(), await world.replica()]
  const both = world.client(`${host}:${one.port},${host}:${two.port}`)
  await until(
    async () => (await world.call(both, 2)) && one.counted.calls > 0 && two.counted.calls > 0,
  )
  const before = [one.counted.calls, two.counted.calls] as const
  await world.call(both, 100)
  expect(one.counted.calls - before[0]).toBe(50)
  expect(two.counted.calls - before[1]).toBe(50)

  const failures: AppError[] = []
  let stopped = false
  const steady = async () => {
    while (!stopped) await world.call(both, 1).catch((error: AppError) => failures.push(error))
  }
  const callers = Promise.all([steady(), steady(), steady(), steady()])
  await one.stop()
  const since = two.counted.calls
  await until(() => two.counted.calls > since + 200)
  stopped = true
  await callers
  expect(failures).toEqual([])

  const back = await world.replica({ port: one.port })
  await until(async () => (await world.call(both, 2)) && back.counted.calls > 0)
})

test('a list of names goes on with those that are found', async () => {
  const one = await world.replica()
  const some = world.client(`nobody.invalid:1,localhost:${one.port}`)
  await until(() => world.call(some, 1))
  expect(one.counted.calls).toBe(1)
})

test('connections that have reached their age are replaced without failing a call', async () => {
  const only = await world.replica({ maxConnectionAgeMs: 40 })
  const to = world.client(`${host}:${only.port}`)
  const end = performance.now() + 1_500
  let calls = 0
  const steady = async () => {
    for (; performance.now() < end; calls++) await world.call(to, 1)
  }
  await Promise.all(Array.from({ length: 8 }, steady))
  expect(calls).toBeGreaterThan(100)
})
