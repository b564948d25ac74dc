import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  type LocatedServers,
  locateServers,
  onFreePort,
  startNats,
  startRedis,
  startServers,
  startTime,
} from '../src/servers.js'

const root = resolve(import.meta.dirname, '../../..')
const dir = mkdtempSync(join(tmpdir(), 'lockstep-bootstrap-'))
let programs: LocatedServers

beforeAll(async () => {
  programs = await locateServers({ root })
}, 120_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('redis-server killed outright starts again on the same port and folder, empty', async () => {
  const first = await startRedis({ dir, ...programs })
  expect(await ask(first.port, 'SET colour blue\r\n')).toBe('+OK\r\n')
  await first.stop('SIGKILL')
  await expect(ask(first.port, 'PING\r\n')).rejects.toThrow('ECONNREFUSED')

  const second = await startRedis({ dir, ...programs, port: first.port })
  expect(second.url).toBe(first.url)
  expect(await ask(second.port, 'GET colour\r\n')).toBe('$-1\r\n')
  await second.stop()
})

test('nats-server killed outright keeps what its streams acknowledged', async () => {
  const first = await startNats({ dir, ...programs })
  const stream =
    '{"name":"KEPT","subjects":["kept"],"storage":"file","retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"num_replicas":1}'
  expect(await request(first.port, '$JS.API.STREAM.CREATE.KEPT', stream)).toContain('"name":"KEPT"')
  expect(await request(first.port, 'kept', 'a wake-up')).toContain('"seq":1')
  await first.stop('SIGKILL')

  const second = await startNats({ dir, ...programs, port: first.port })
  expect(await request(second.port, '$JS.API.STREAM.INFO.KEPT', '')).toContain('"messages":1')
  await second.stop()
})

test('a port that another process holds is refused, not mistaken for our server', async () => {
  const first = await startRedis({ dir: join(dir, 'a'), ...programs })
  await expect(startRedis({ dir: join(dir, 'b'), ...programs, port: first.port })).rejects.toThrow(
    /Redis did not start(.|\n)*in use/,
  )
  await first.stop()
})

test('a server is stopped for good: its process is gone and a second stop does nothing', async () => {
  const server = await startNats({ dir: join(dir, 'stopped'), ...programs })
  await server.stop()
  await server.exited
  expect(existsSync(`/proc/${server.pid}`)).toBe(false)
  await server.stop()
})

test('startServers uses a remembered port again, another one when it is taken', async () => {
  const home = join(dir, 'ports')
  const options = { dir: home, located: programs, env: {} }
  const first = await startServers({ ...options, which: ['redis'] })
  await first.stop()
  const second = await startServers({ ...options, which: ['redis'] })
  await second.stop()
  expect(second.redis.port).toBe(first.redis.port)

  const squatter = createServer().listen(first.redis.port, '127.0.0.1')
  await once(squatter, 'listening')
  const third = await startServers({ ...options, which: ['redis'] })
  expect(third.redis.port).not.toBe(first.redis.port)
  await third.stop()
  squatter.close()
})

test.each([true, false])(
  'a process is told from one that has its pid later, and from one that is over (from /proc: %s)',
  async (hasProc) => {
    const child = spawn('sleep', ['600'])
    const born = startTime(child.pid!, hasProc)
    expect(born).toMatch(/\d/)
    expect(startTime(child.pid!, hasProc)).toBe(born)
    expect(startTime(1, hasProc)).not.toBe(born)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(startTime(child.pid!, hasProc)).toBeUndefined()
  },
)

test('a port that another process takes before it is listened on is given up for another, a bounded number of times', async () => {
  const squatters: Server[] = []
  const squat = async (port: number) => {
    squatters.push(createServer().listen(port, '127.0.0.1'))
    await once(squatters.at(-1)!, 'listening')
  }
  let tries = 0
  const start = async (port: number, squatted: number) => {
    tries++
    if (tries <= squatted) await squat(port)
    return startRedis({ dir: join(dir, 'squatted'), ...programs, port })
  }
  const server = await onFreePort(undefined, (port) => start(port, 2))
  expect(tries).toBe(3)
  await server.stop()
  tries = 0
  await expect(onFreePort(undefined, (port) => start(port, 100))).rejects.toThrow('in use')
  expect(tries).toBe(4)
  for (const squatter of squatters) squatter.close()
})

test('a server that has ended starts again on its port, with the data of its folder', async () => {
  const home = join(dir, 'again')
  const servers = await startServers({
    dir: home,
    located: programs,
    env: {},
    which: ['postgres', 'nats'],
    durable: false,
  })
  const { port, pid } = servers.postgres
  for (const server of ['postgres', 'nats'] as const) {
    await servers[server].stop('SIGKILL')
    const again = await servers.restart(server)
    expect(again.url).toBe(servers[server].url)
    expect(JSON.parse(readFileSync(join(home, 'pids.json'), 'utf8'))[server].pid).toBe(again.pid)
  }
  expect(JSON.parse(readFileSync(join(home, 'pids.json'), 'utf8')).postgres.pid).not.toBe(pid)
  await servers.stop()
  await expect(ask(port, '')).rejects.toThrow('ECONNREFUSED')
})

test('a start that is called off stops what it has started and gives the folder free', async () => {
  const stopped = new AbortController()
  const home = join(dir, 'called-off')
  const starting = startServers({
    dir: home,
    located: programs,
    env: {},
    durable: false,
    signal: stopped.signal,
  })
  await vi.waitFor(() => expect(existsSync(join(home, 'postgres.log'))).toBe(true), 60_000)
  stopped.abort(new Error('called off'))
  await expect(starting).rejects.toThrow('called off')
  expect(existsSync(join(home, 'postgres', 'postmaster.pid'))).toBe(false)
  await (await startServers({ dir: home, located: programs, env: {}, durable: false })).stop()
}, 60_000)

test('one folder has one supervisor, and a dead supervisor does not keep the folder', async () => {
  const options = { dir: join(dir, 'single'), located: programs, env: {} }
  const first = await startServers({ ...options, which: ['redis'] })
  await expect(startServers({ ...options, which: ['redis'] })).rejects.toThrow(
    `already run by process ${process.pid}`,
  )
  await first.stop()

  writeFileSync(
    join(options.dir, 'supervisor.lock'),
    JSON.stringify({ pid: process.pid, startTime: 'long ago' }),
  )
  const second = await startServers({ ...options, which: ['redis'] })
  await second.stop()
})

test('servers that a dead supervisor left behind are stopped before new ones start, and no other process with a reused pid', async () => {
  const home = join(dir, 'left')
  const [left, stranger] = [
    await startRedis({ dir: home, ...programs }),
    await startRedis({ dir: join(dir, 'stranger'), ...programs }),
  ]
  const stat = readFileSync(`/proc/${left.pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  writeFileSync(
    join(home, 'pids.json'),
    JSON.stringify({
      redis: { pid: left.pid, startTime: stat[19] },
      nats: { pid: stranger.pid, startTime: '1' },
    }),
  )

  const servers = await startServers({
    dir: home,
    located: programs,
    which: ['redis'],
    env: {},
    ports: { redis: left.port },
  })
  await left.exited
  expect(servers.redis.port).toBe(left.port)
  expect(await ask(stranger.port, 'PING\r\n')).toBe('+PONG\r\n')
  await servers.stop()
  await stranger.stop()
})

test('a server named by its URL is used and neither started nor stopped', async () => {
  const own = await startRedis({ dir: join(dir, 'own'), ...programs })
  const servers = await startServers({
    dir: join(dir, 'elsewhere'),
    located: programs,
    which: ['redis'],
    env: { LOCKSTEP_REDIS_URL: own.url },
  })
  expect(servers.redis.url).toBe(own.url)
  expect(servers.pids).toEqual([])
  await servers.stop()
  expect(await ask(own.port, 'PING\r\n')).toBe('+PONG\r\n')
  await own.stop()
})

test('PostgreSQL starts again after a crash, even if its stale pid now belongs to another process', async () => {
  const options = {
    dir: join(dir, 'crash'),
    located: programs,
    env: {},
    which: ['postgres'] as ['postgres'],
    durable: false,
  }
  const first = await startServers(options)
  await first.postgres.stop('SIGKILL')
  await first.stop()
  const pidFile = join(options.dir, 'postgres', 'postmaster.pid')
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(process.pid)))

  const second = await startServers(options)
  expect(second.postgres.port).toBe(first.postgres.port)
  expect(second.postgres.url).toBe(first.postgres.url)
  await second.stop()
  expect(existsSync(pidFile)).toBe(false)
}, 60_000)

test('servers end with a supervisor that is killed outright, and the next one starts', async () => {
  const home = join(dir, 'killed')
  const options = JSON.stringify({ dir: home, located: programs, durable: false, env: {} })
  const code = `import { startServers } from ${JSON.stringify(join(root, 'packages/servers/src/servers.js'))}
    const servers = await startServers(${options}); console.log(JSON.stringify(servers.pids)); setInterval(() => {}, 1000)`
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(supervisor.stdout, 'data')
  const pids: number[] = JSON.parse(String(line))
  expect(pids).toHaveLength(3)
  supervisor.kill('SIGKILL')
  await once(supervisor, 'exit')

  const next = await startServers({ dir: home, located: programs, durable: false, env: {} })
  expect(next.pids).toHaveLength(3)
  await vi.waitFor(() => expect(pids.filter(isRunning)).toEqual([]), 10_000)
  await next.stop()
  expect(next.pids.filter(isRunning)).toEqual([])
}, 60_000)

function isRunning(pid: number) {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** Sends one line and returns the first answer. */
async function ask(port: number, question: string) {
  const socket = connect(port, '127.0.0.1')
  socket.write(question)
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return String(answer)
}

/** One NATS request over a bare socket. */
async function request(port: number, subject: string, payload: string) {
  const socket = connect(port, '127.0.0.1')
  const inbox = `_INBOX.${Math.random().toString(36).slice(2)}`
  socket.write(
    `CONNECT {"verbose":false}\r\nSUB ${inbox} 1\r\nPUB ${subject} ${inbox} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`,
  )
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    if (/MSG .*\r\n.*\r\n/s.test(text)) break
  }
  socket.destroy()
  return text
}
