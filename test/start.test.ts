import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

const main = path.resolve(import.meta.dirname, '../tools/dev/start.ts')
let dir: string

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'lockstep-start-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function npmStart(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, LOCKSTEP_DIR: dir }, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return {
    child,
    ended,
    output: () => ({ stdout, stderr }),
    /** A test that fails leaves nothing running. */
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill('SIGTERM')
      await ended
    },
  }
}

/** Processes that were started with this folder in their command line and still run. */
function processesOf(folder: string): number {
  const listed = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  return listed.split('\n').filter((line) => line.includes(folder)).length
}

test('the main job ends with one JSON line whose figures add up, and leaves no process behind', async () => {
  await using run = npmStart('--once', '--json', '--contacts', '60')
  expect(await run.ended, run.output().stderr).toBe(0)
  const lines = run.output().stdout.trim().split('\n')
  expect(lines).toHaveLength(1)
  const result = JSON.parse(lines[0]!)
  expect(result).toMatchObject({ recipients: 60, unknown: 0, duplicates: 0, violations: 0 })
  expect(result.accepted + result.failed + result.rejected + result.skipped + result.unknown).toBe(result.recipients)
  expect(result.sent).toBeGreaterThanOrEqual(result.delivered)
  expect(result.delivered).toBeGreaterThanOrEqual(result.read)
  expect(processesOf(dir)).toBe(0)
}, 60_000)

test('a second start reuses the data, says where everything is, and Ctrl-C stops every process', async () => {
  await using run = npmStart('--no-demo', '--processes')
  const ready = path.join(dir, 'ready.json')
  await until(() => existsSync(ready), 30_000)
  const { api, api_key, simulator, health } = JSON.parse(readFileSync(ready, 'utf8'))
  const answer = await fetch(`${api}/v1/campaigns`, { headers: { authorization: `Bearer ${api_key}` } })
  expect(((await answer.json()) as { campaigns: unknown[] }).campaigns).toHaveLength(1)
  run.child.kill('SIGINT')
  expect(await run.ended, run.output().stderr).toBe(0)
  expect(existsSync(ready)).toBe(false)
  expect(processesOf(dir)).toBe(0)
  for (const url of [api, simulator, ...Object.values<string>(health)]) await expect(fetch(url), url).rejects.toThrow('fetch failed')
}, 60_000)

test('a wrong option is refused with the list of options', async () => {
  await using run = npmStart('--contacts', 'many')
  expect(await run.ended).toBe(2)
  expect(run.output().stderr).toContain('--contacts takes a whole number')
  expect(run.output().stderr).toContain('--processes')
})
