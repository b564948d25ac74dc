import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { startTime, tied } from '@lockstep/servers'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const main = path.join(root, 'tools/dev/start.ts')
/** For what hangs: what does not go on is found, and named, before. */
const limitMs = 200_000
/** On a quiet machine; a start takes a tenth of it. */
const patienceMs = 45_000
let dir: string
let other: string

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'lockstep-start-'))
  other = await mkdtemp(path.join(tmpdir(), 'lockstep-start-'))
})
afterAll(() => {
  for (const folder of [dir, other]) rmSync(folder, { recursive: true, force: true })
})

/** Tied to this process: a test whose time is up, or a run that is stopped, leaves nothing running. */
function launch(folder: string, args: string[]) {
  const [command = '', ...rest] = tied('SIGTERM', [process.execPath, main, ...args])
  const child = spawn(command, rest, {
    env: { ...process.env, LOCKSTEP_DIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  return {
    child,
    ended,
    output: () => ({ stdout, stderr }),
    /** Waits for something that this start does; its end before that is the failure. */
    during: <T>(check: () => T) =>
      until(() => {
        const value = check()
        if (value || !isOver()) return value
        return { ended: `${stdout}${stderr}` }
      }, patienceMs).then((value) => expect(value).not.toHaveProperty('ended')),
    async stop() {
      if (!isOver()) child.kill('SIGTERM')
      await ended
    },
  }
}

function npmStart(...args: string[]) {
  return npmStartIn(dir, ...args)
}

function npmStartIn(folder: string, ...args: string[]) {
  const run = launch(folder, args)
  onTestFinished(run.stop)
  return run
}

const readyOf = (run: ReturnType<typeof launch>) => {
  const file = path.join(dir, 'ready.json')
  const ready = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
  return ready?.pid === run.child.pid ? ready : undefined
}

async function campaigns({ api, api_key }: { api: string; api_key: string }) {
  const answer = await fetch(`${api}/v1/campaigns`, {
    headers: { authorization: `Bearer ${api_key}` },
  })
  return ((await answer.json()) as { campaigns: unknown[] }).campaigns
}

/** Processes that were started with this folder in their command line and still run. */
function processesOf(folder: string): number {
  const listed = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  return listed.split('\n').filter((line) => line.includes(folder)).length
}

/** Pids and command lines of the processes that a process has started. */
function childrenOf(pid: number): { pid: number; args: string }[] {
  const listed = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n')
  return listed.map((line) => ({ pid: Number.parseInt(line, 10), args: line }))
}

test('the main job ends with one JSON line whose figures add up, and leaves no process behind', {
  timeout: limitMs,
}, async () => {
  const run = npmStart('--once', '--json', '--contacts', '60')
  expect(await run.ended, run.output().stderr).toBe(0)
  const lines = run.output().stdout.trim().split('\n')
  expect(lines).toHaveLength(1)
  const result = JSON.parse(lines[0]!)
  expect(result).toMatchObject({ recipients: 60, unknown: 0, duplicates: 0, violations: 0 })
  expect(result.accepted + result.failed + result.rejected + result.skipped + result.unknown).toBe(
    result.recipients,
  )
  expect(result.sent).toBeGreaterThanOrEqual(result.delivered)
  expect(result.delivered).toBeGreaterThanOrEqual(result.read)
  expect(processesOf(dir)).toBe(0)
})

describe('a system that runs', { timeout: limitMs }, () => {
  let run: ReturnType<typeof launch>

  beforeAll(async () => {
    run = launch(dir, ['--no-demo', '--processes'])
    await run.during(() => readyOf(run))
  }, limitMs)
  afterAll(() => run.stop(), limitMs)

  test('reuses the data of the last start', async () => {
    expect(await campaigns(readyOf(run))).toHaveLength(1)
  })

  test('refuses a second start, and --fresh, which deletes nothing', async () => {
    for (const args of [['--no-demo'], ['--no-demo', '--fresh']]) {
      const second = npmStart(...args)
      expect(await second.ended).toBe(1)
      expect(second.output().stdout).toContain(`started by process ${run.child.pid}. Stop it first`)
    }
    expect(await campaigns(readyOf(run))).toHaveLength(1)
  })

  test('names what ends by itself, with its last lines, and starts it again', async () => {
    const { simulator, health } = readyOf(run)
    const servers = JSON.parse(readFileSync(path.join(dir, 'dev', 'pids.json'), 'utf8'))
    const pidOf = (part: string) =>
      childrenOf(run.child.pid!).find(({ args }) => args.includes(part))!.pid
    const victims = {
      PostgreSQL: servers.postgres.pid,
      NATS: servers.nats.pid,
      Redis: servers.redis.pid,
      'The Meta simulator': pidOf('meta-simulator'),
      campaigns: pidOf('services/campaigns/'),
    }
    for (const pid of Object.values(victims)) process.kill(pid, 'SIGKILL')
    for (const name of Object.keys(victims)) {
      await run.during(() => run.output().stdout.includes(`${name} runs again.`))
      expect(run.output().stdout).toMatch(
        new RegExp(`${name} has ended by itself; it is started again. The end of .*\\.log:`),
      )
    }
    for (const url of Object.values<string>(health))
      await until(async () => {
        const { checks } = (await (await fetch(`${url}/readyz`)).json()) as {
          checks: Record<string, boolean>
        }
        return Object.values(checks).every(Boolean)
      }, patienceMs)
    expect((await fetch(`${simulator}/_sim/summary`)).status).toBe(200)
    await until(async () => (await campaigns(readyOf(run))).length === 1, patienceMs)
  })

  test('takes everything with it when it is killed outright, and commands say that it no longer runs', async () => {
    const started = childrenOf(run.child.pid!).map(({ pid }) => ({ pid, born: startTime(pid) }))
    expect(started.length).toBeGreaterThanOrEqual(11)
    run.child.kill('SIGKILL')
    await until(() => started.every(({ pid, born }) => startTime(pid) !== born), patienceMs)
    for (const command of [
      'tools/dev/dead-letters.ts',
      'tools/dev/webhooks.ts',
      'tools/audit/main.ts',
    ]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [command], {
        cwd: root,
        env: { ...process.env, LOCKSTEP_DIR: dir },
        encoding: 'utf8',
      })
      expect(stdout + stderr).toMatch(
        /^The system that .*ready.json tells of .* no longer runs. Start it again with npm start.\n$/,
      )
      expect(status).toBe(2)
    }
  })
})

test('a start after one that was killed goes on with the data, says where everything is, and Ctrl-C stops every process', {
  timeout: limitMs,
}, async () => {
  const run = npmStart('--no-demo')
  await run.during(() => readyOf(run))
  const { api, api_key, simulator, health } = readyOf(run)
  expect(await campaigns({ api, api_key })).toHaveLength(1)
  run.child.kill('SIGINT')
  expect(await run.ended, run.output().stderr).toBe(0)
  expect(existsSync(path.join(dir, 'ready.json'))).toBe(false)
  expect(processesOf(dir)).toBe(0)
  for (const url of [api, simulator, ...Object.values<string>(health)])
    await expect(fetch(url), url).rejects.toThrow('fetch failed')
})

test('a system that runs does what the quick tour in the README says, by curl and by the command line', {
  timeout: limitMs,
}, async () => {
  const run = npmStart('--no-demo')
  await run.during(() => readyOf(run))
  const before = await campaigns(readyOf(run))
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8')
  const tour = readme.slice(readme.indexOf('## Quick tour'), readme.indexOf('## Who is written'))
  const blocks = [...tour.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!)
  expect(blocks).toHaveLength(3)
  const config = path.join(dir, 'contexts.json')
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', blocks.join('\n')], {
    cwd: root,
    env: { ...process.env, LOCKSTEP_DIR: dir, LOCKSTEP_CONFIG: config },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void shell.kill())
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)])
  expect(stderr).toMatch(/line 4: /)
  expect(stdout.match(/"state":"completed"|state +completed/g)).toHaveLength(1)
  expect(stdout).toMatch(/Logged in to http:.* as "here"/)
  expect(stdout).toMatch(/skipped +opted_out/)
  expect(await campaigns(readyOf(run))).toHaveLength(before.length + 2)
})

test('Ctrl-C during a start is heeded at once, and a start that is killed halfway is gone on with', {
  timeout: limitMs,
}, async () => {
  const first = npmStartIn(other, '--no-demo')
  await first.during(() => first.output().stdout.includes('✓ PostgreSQL'))
  first.child.kill('SIGINT')
  expect(await first.ended).toBe(130)
  expect(first.output().stdout).toContain('Stopping …')
  expect(first.output().stdout).not.toContain('✓ Meta simulator')
  expect(processesOf(other)).toBe(0)

  const tenant = path.join(other, 'dev', 'tenant.json')
  const second = npmStartIn(other, '--no-demo')
  await second.during(() => existsSync(tenant))
  second.child.kill('SIGKILL')
  await second.ended

  const third = npmStartIn(other, '--no-demo', '--once')
  expect(await third.ended, third.output().stdout).toBe(0)
  expect(JSON.parse(readFileSync(tenant, 'utf8'))).toHaveProperty('connection_id')
})

test('keys that are lost are named with the way out, and nothing is started', {
  timeout: limitMs,
}, async () => {
  const file = path.join(other, 'dev-state.json')
  writeFileSync(file, '')
  const run = npmStartIn(other, '--once', '--no-demo')
  expect(await run.ended).toBe(1)
  expect(run.output().stdout).toContain(`${file} is empty or broken`)
  expect(run.output().stdout).toContain('npm start -- --fresh')
  expect(run.output().stdout).not.toContain('PostgreSQL')
})

test('a wrong option is refused with the list of options', { timeout: limitMs }, async () => {
  const run = npmStart('--contacts', 'many')
  expect(await run.ended).toBe(2)
  expect(run.output().stderr).toContain('--contacts takes a whole number')
  expect(run.output().stderr).toContain('--processes')
})
