import { readFile } from 'node:fs/promises'
import { AppError, instances, type LockName, locks as table } from '@lockstep/contracts'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createLocks, type Lock, LockBusy, type Locks, LockUnavailable } from '../src/index.ts'
import { acquire, renew } from '../src/scripts.ts'
import { redis, server, useOwnRedis } from './own-redis.ts'

vi.setConfig({ testTimeout: 30_000 })

useOwnRedis()
beforeEach(() => redis.flushall())

const manager = (scale = 1) => createLocks({ redis: server.url, instanceId: 'test', scale })

/** Keys and TTLs of the "Complete Lock Registry" in docs/reference/conflict-analysis.md, with the id `7`. */
async function registry(): Promise<{ key: string; ttlMs: number }[]> {
  const text = await readFile(
    new URL('../../../docs/reference/conflict-analysis.md', import.meta.url),
    'utf8',
  )
  const rows = text.matchAll(/^- `([a-z_:]+):\{\w+\}` - (\d+) (minutes?|seconds)$/gm)
  return [...rows].map(([, key, n, unit]) => ({
    key: `${key}:7`,
    ttlMs: Number(n) * (unit === 'seconds' ? 1_000 : 60_000),
  }))
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it should have been refused'),
    (error) => error,
  )
}

const lost = (lock: Lock) =>
  new Promise<void>((resolve) => lock.signal.addEventListener('abort', () => resolve()))

describe('keys', () => {
  test('the locks stand in Redis under the 12 keys of the registry, with its times', async () => {
    await using locks = await manager()
    await Promise.all((Object.keys(table) as LockName[]).map((name) => locks.hold(name, '7')))
    const rows = await registry()
    expect(rows).toHaveLength(12)
    for (const { key, ttlMs } of rows) {
      const leftMs = await redis.pttl(key)
      expect(leftMs, key).toBeLessThanOrEqual(ttlMs)
      expect(leftMs, key).toBeGreaterThan(ttlMs - 5_000)
    }
    expect(await redis.keys('*')).toHaveLength(rows.length + 1)
  })
})

describe('exclusion', () => {
  test('two handlers of one process exclude each other', async () => {
    await using locks = await manager()
    let inside = 0
    let most = 0
    const work = async () => {
      await using _lock = await locks.hold('webhook_message', 'wamid.1')
      most = Math.max(most, ++inside)
      await redis.ping()
      inside--
    }
    await Promise.all(Array.from({ length: 8 }, work))
    expect(most).toBe(1)
  })

  test('a busy lock says which it is, what it guards and since when it is held', async () => {
    await using locks = await manager()
    await using other = await manager()
    const before = Date.now()
    await using _lock = await locks.hold('template_sync', '7')
    const error = await failure(other.hold('template_sync', '7'))
    expect(error).toBeInstanceOf(LockBusy)
    expect(error).not.toBeInstanceOf(LockUnavailable)
    expect(error).toBeInstanceOf(AppError)
    const { message, details } = error as AppError
    expect(message).toContain('template_sync:connection:7 is held since 20')
    expect(message).toContain('one template sync a connection')
    expect(Math.abs((details.sinceMs as number) - before)).toBeLessThan(2_000)
    expect(await other.tryHold('template_sync', '7')).toBeNull()
  })

  test('a lock that is waited for is refused after the bound, and had as soon as it is free', async () => {
    await using locks = await manager(0.1)
    const lock = await locks.hold('webhook_process', '7')
    const from = performance.now()
    expect(await failure(locks.hold('webhook_process', '7'))).toBeInstanceOf(LockBusy)
    expect(performance.now() - from).toBeGreaterThanOrEqual(200)
    const waiting = locks.hold('webhook_process', '7', { waitMs: 10_000 })
    await lock.release()
    await (await waiting).release()
  })

  test('waiting ends with the signal of the caller', async () => {
    await using locks = await manager()
    await using _lock = await locks.hold('webhook_process', '7')
    const cancel = new AbortController()
    const waiting = failure(
      locks.hold('webhook_process', '7', { waitMs: 60_000, signal: cancel.signal }),
    )
    cancel.abort(new Error('shutting down'))
    expect(await waiting).toHaveProperty('message', 'shutting down')
  })

  test('asking again under the same owner succeeds and starts the TTL anew', async () => {
    const request = {
      owner: `someone:${'0'.repeat(20)}`,
      keys: ['contact_merge:7'],
      ttlsMs: [60_000],
    }
    const instance = { key: instances.key('someone'), ttlMs: 15_000 }
    expect(await acquire(redis, request, instance)).toMatchObject({ held: true })
    await redis.pexpire('contact_merge:7', 1_000)
    expect(await acquire(redis, request, instance)).toMatchObject({ held: true, takenOver: [] })
    expect(await redis.pttl('contact_merge:7')).toBeGreaterThan(50_000)
  })

  test('a holder of a foreign format is left alone until its TTL is over', async () => {
    await using locks = await manager(0.1)
    await redis.set('campaign_send:7', 'Zk3xQ0pWm1n2b3v4', 'PX', 60_000)
    expect(await locks.tryHold('campaign_send', '7')).toBeNull()
    const from = performance.now()
    await redis.pexpire('campaign_send:7', 300)
    await using _lock = await locks.hold('campaign_send', '7', { waitMs: 10_000 })
    expect(performance.now() - from).toBeGreaterThan(298) // Redis counts in whole ms
  })
})

describe('several keys', () => {
  const batch = Array.from({ length: 59 }, (_, i) => ({
    name: 'webhook_message' as const,
    id: `wamid.${i}`,
  }))

  test('all are held, or none', async () => {
    await using locks = await manager()
    const one = await locks.hold('webhook_message', 'wamid.30')
    expect(await failure(locks.holdAll(batch, { waitMs: 0 }))).toBeInstanceOf(LockBusy)
    expect(await redis.keys('webhook_message:*')).toEqual(['webhook_message:wamid.30'])
    await one.release()
    const all = await locks.holdAll([...batch, { name: 'webhook_process', id: '7' }])
    expect(all.keys[0]).toBe('webhook_process:connection:7')
    expect(await redis.keys('webhook_*')).toHaveLength(60)
    await all.release()
    expect(await redis.keys('webhook_*')).toEqual([])
  })

  test('as many as the short statuses of a full webhook are held, renewed and released together', async () => {
    await using locks = await manager()
    const many = Array.from({ length: 20_000 }, (_, i) => ({
      name: 'webhook_message' as const,
      id: `w${i}`,
    }))
    const all = await locks.holdAll(many)
    expect(await redis.keys('webhook_message:*')).toHaveLength(many.length)
    const lastKey = all.keys.at(-1)!
    const request = { owner: all.owner, keys: all.keys, ttlsMs: all.keys.map(() => 60_000) }
    expect(await renew(redis, request)).toBe(true)
    await redis.set(lastKey, 'another')
    expect(await renew(redis, request)).toBe(false)
    expect(await locks.tryHold('webhook_message', 'w9000')).toBeNull()
    await all.release()
    expect(await redis.keys('webhook_message:*')).toEqual([lastKey])
  })

  test('two that name the same keys in opposite order both get through', async () => {
    await using locks = await manager()
    const both = [batch, batch.toReversed()].map(async (keys) => {
      await using _lock = await locks.holdAll(keys)
    })
    await Promise.all(both)
  })

  test('60 keys cost two round trips from acquiring to releasing', async () => {
    await using locks = await manager()
    await (await locks.hold('contact_export', '7')).release() // the server has the scripts from here on
    const monitor = await redis.monitor()
    const commands: string[] = []
    monitor.on(
      'monitor',
      (_time: string, [command]: string[], source: string) =>
        source !== 'lua' && commands.push(command as string),
    )
    await (await locks.holdAll([...batch, { name: 'webhook_process', id: '7' }])).release()
    await redis.echo('done')
    await expect.poll(() => commands).toContain('echo')
    monitor.disconnect()
    expect(commands.filter((command) => command.startsWith('eval'))).toEqual(['evalsha', 'evalsha'])
    expect(commands.length).toBeLessThanOrEqual(4) // those two, the echo and perhaps the life sign
  })
})

describe('release', () => {
  test.each(['return', 'throw'])('a lock is free again however its work ends: %s', async (end) => {
    await using locks = await manager()
    const work = async () => {
      await using _lock = await locks.hold('contact_import', '7')
      if (end === 'throw') throw new Error('the work failed')
    }
    await work().catch(() => undefined)
    expect(await redis.exists('contact_import:account:7')).toBe(0)
    expect(locks.heldKeys()).toEqual([])
  })

  test('releasing a lock that another has by now neither throws nor frees it', async () => {
    await using locks = await manager()
    const lock = await locks.hold('contact_import', '7')
    await redis.set('contact_import:account:7', 'another')
    await lock.release()
    await lock.release()
    expect(await redis.get('contact_import:account:7')).toBe('another')
  })

  test('closing the manager releases what is held and takes the life sign away', async () => {
    const locks: Locks = await manager()
    await locks.hold('contact_import', '7')
    await locks[Symbol.asyncDispose]()
    expect(await redis.keys('*')).toEqual([])
  })
})

describe('loss', () => {
  test('a lock is renewed for as long as it is held', async () => {
    await using locks = await manager(0.05)
    await using lock = await locks.hold('webhook_status', '7') // 1.5 s
    const from = performance.now()
    await expect.poll(() => performance.now() - from, { timeout: 10_000 }).toBeGreaterThan(2_500)
    lock.assertHeld()
    expect(await redis.exists('webhook_status:7')).toBe(1)
  })

  test('after FLUSHALL the signal fires long before the TTL, and the lock no longer passes as held', async () => {
    await using locks = await manager(0.1)
    await using lock = await locks.hold('contact_import', '7') // 60 s; the life sign is looked at every 0.5 s
    const gone = lost(lock)
    await redis.flushall()
    await gone
    expect(() => lock.assertHeld()).toThrow('was lost')
    expect(lock.signal.reason).toHaveProperty('failure', 'conflict')
  })

  test('a lock acquired right after FLUSHALL is not taken for that of a dead process', async () => {
    await using locks = await manager()
    await using other = await manager()
    await redis.flushall()
    await using lock = await locks.hold('contact_import', '7')
    expect(await other.tryHold('contact_import', '7')).toBeNull()
    lock.assertHeld()
  })

  test('nor is a hold of several keys', async () => {
    await using locks = await manager()
    await using other = await manager()
    await redis.flushall()
    await using lock = await locks.holdAll([
      { name: 'contact_import', id: '7' },
      { name: 'contact_import', id: '8' },
    ])
    expect(await other.tryHold('contact_import', '8')).toBeNull()
    lock.assertHeld()
  })

  test('the owner of a key that another took over is told at its next renewal', async () => {
    await using locks = await manager(0.02)
    await using lock = await locks.hold('campaign_send', '7') // 1.2 s
    const gone = lost(lock)
    await redis.set('campaign_send:7', 'another')
    await gone
    expect(() => lock.assertHeld()).toThrow('another owns it')
  })

  test('a lock whose renewals fail is lost before its TTL is over, though its process lives', async () => {
    await using locks = await manager(0.02)
    await redis.acl('SETUSER', 'default', '-pexpire')
    try {
      await using lock = await locks.hold('campaign_status_update', 'wamid.1') // 0.6 s
      await lost(lock)
      expect(lock.signal.reason).toHaveProperty('details.reason', 'it was not renewed in time')
      expect(await redis.exists('campaign_status_update:wamid.1')).toBe(1)
    } finally {
      await redis.acl('SETUSER', 'default', '+pexpire')
    }
  })

  test('a blocked event loop cannot take a lock past its deadline for held', async () => {
    await using locks = await manager(0.02)
    await using lock = await locks.hold('campaign_status_update', 'wamid.1') // 0.6 s
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
    expect(() => lock.assertHeld()).toThrow('was lost')
    expect(lock.signal.aborted).toBe(true)
  })
})
