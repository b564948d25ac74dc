import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { openStack } from './setup.ts'

test('rss', async () => {
  await using stack = await openStack()
  const { config, world } = stack
  const { key } = await stack.account()
  const env: Record<string, string> = { PATH: process.env.PATH!, LOCKSTEP_POSTGRES_URL: config.postgresUrl, LOCKSTEP_NATS_URL: world.nats.url, LOCKSTEP_REDIS_URL: world.redis.url, LOCKSTEP_HOST: '127.0.0.1', LOCKSTEP_GRPC_PORT: '0', LOCKSTEP_HEALTH_PORT: '0', LOCKSTEP_HTTP_PORT: '18765', LOCKSTEP_GRPC_PLAINTEXT: 'true' }
  for (const [n, a] of Object.entries(config.addresses)) env[`LOCKSTEP_${n.toUpperCase()}_ADDRESS`] = a
  const child = spawn(process.execPath, [path.join(import.meta.dirname, '../src/main.ts')], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  const url = 'http://127.0.0.1:18765'
  await until(() => fetch(`${url}/v1`).then((r) => r.ok).catch(() => false))
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024
  const hwm = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024
  const lines = Buffer.from(`Ana,+49 1512 0000001,spring,${'x'.repeat(470)}\n`.repeat(100))
  const up = async (mb: number) => {
    let n = 0
    const body = new ReadableStream({ pull: (c) => { if (n >= mb * 1e6) return c.close(); const p = n ? lines : Buffer.from('name,phone,tags,note\n'); n += p.length; c.enqueue(p) } })
    const t = performance.now()
    const r = await fetch(`${url}/v1/contact-imports?file_name=a.csv`, { method: 'POST', body, duplex: 'half', headers: { authorization: `Bearer ${key}`, 'content-type': 'text/csv' } } as RequestInit)
    console.log(mb, 'MB', r.status, Math.round(performance.now() - t), 'ms rss', rss().toFixed(0), 'hwm', hwm().toFixed(0))
  }
  console.log('start rss', rss(), hwm())
  await up(1); await up(20); await up(60)
  child.kill('SIGTERM')
  const code = await new Promise((r) => child.on('exit', r))
  expect(code).toBe(0)
}, 60_000)
