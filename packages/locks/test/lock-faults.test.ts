import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { createLocks, LockBusy, LockUnavailable } from '../src/index.ts'
import { redis, server, useOwnRedis } from './own-redis.ts'
import { proxyTo } from './redis-server.ts'

const scale = 0.1
vi.setConfig({ testTimeout: 30_000 })

useOwnRedis()

const manager = (options: { url?: string; scale?: number } = {}) =>
  createLocks({
    redis: options.url ?? server.url,
    instanceId: 'test',
    scale: options.scale ?? scale,
  })

/** Starts a process that holds a lock, and resolves when it does. */
async function holder(name: string, id: string): Promise<ChildProcess & Disposable> {
  const child = fork(fileURLToPath(new URL('./fixtures/holder.ts', import.meta.url)), [
    server.url,
    String(scale),
    name,
    id,
  ])
  await once(child, 'message')
  return Object.assign(child, { [Symbol.dispose]: () => void child.kill('SIGKILL') })
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  )

test('the lock of a killed process is taken over within 20 s (scaled), long before its TTL', async () => {
  using child = await holder('contact_import', '1') // 60 s
  await using locks = await manager()
  expect(await refusal(locks.hold('contact_import', '1'))).toBeInstanceOf(LockBusy)
  child.kill('SIGKILL')
  await using lock = await locks.hold('contact_import', '1', { waitMs: 20_000 * scale })
  lock.assertHeld()
})

test('a process stopped past the TTL and continued knows that it lost the lock', async () => {
  using child = await holder('webhook_status', '2') // 3 s
  child.kill('SIGSTOP')
  await expect.poll(() => redis.exists('webhook_status:2'), { timeout: 10_000 }).toBe(0)
  await using locks = await manager()
  await using _lock = await locks.hold('webhook_status', '2')
  const told = once(child, 'message')
  child.kill('SIGCONT')
  expect((await told)[0]).toEqual({ event: 'lost', held: false })
})

test('a living process keeps its lock however long another waits', async () => {
  using _child = await holder('webhook_message', '3') // 3 s
  await using locks = await manager()
  expect(await refusal(locks.hold('webhook_message', '3', { waitMs: 4_000 }))).toBeInstanceOf(
    LockBusy,
  )
})

test('a lost reply does not block the one who asked', async () => {
  await using proxy = await proxyTo(server.url)
  await using locks = await manager({ url: proxy.url, scale: 1 })
  proxy.mode = 'cut'
  await using lock = await locks.hold('contact_export', '4')
  lock.assertHeld()
})

test('what was acquired by a request whose answer never came is released in the background', async () => {
  await using proxy = await proxyTo(server.url)
  await using locks = await manager({ url: proxy.url })
  proxy.mode = 'cut and close'
  expect(await refusal(locks.hold('contact_export', '5'))).toBeInstanceOf(LockUnavailable)
  expect(await redis.exists('contact_export:account:5')).toBe(1)
  proxy.mode = 'pass'
  await expect.poll(() => redis.exists('contact_export:account:5'), { timeout: 5_000 }).toBe(0)
})

test('a connection that went silent is noticed and replaced', async () => {
  await using proxy = await proxyTo(server.url)
  await using locks = await manager({ url: proxy.url, scale: 1 })
  proxy.mode = 'silent'
  await using lock = await locks.hold('contact_export', '6')
  lock.assertHeld()
})

test('without Redis locks are unavailable and those held are lost; with Redis back they work again', async () => {
  await using locks = await manager()
  await using lock = await locks.hold('contact_import', '7')
  const lost = once(lock.signal, 'abort')
  await server.kill()
  await lost
  const error = await refusal(locks.hold('contact_export', '7'))
  expect(error).toBeInstanceOf(LockUnavailable)
  expect(error).not.toBeInstanceOf(LockBusy)
  await server.start()
  await using again = await vi.waitFor(() => locks.hold('contact_import', '7'), 10_000)
  again.assertHeld()
})

test('a process starts without Redis and has locks once it is there', async () => {
  await server.kill()
  await using locks = await manager()
  expect(await refusal(locks.hold('contact_export', '8'))).toBeInstanceOf(LockUnavailable)
  await server.start()
  await using lock = await vi.waitFor(() => locks.hold('contact_export', '8'), 10_000)
  lock.assertHeld()
})
