import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startTime } from '@lockstep/servers'
import { until } from '@lockstep/testing'
import { expect, onTestFinished, test } from 'vitest'

const config = path.join(import.meta.dirname, 'fixtures', 'endless', 'vitest.config.ts')

/** Starts `npm test` on the endless run, and answers it with all its processes once they are there. */
async function endlessRun() {
  const dir = mkdtempSync(path.join(tmpdir(), 'lockstep-endless-'))
  const main = path.resolve(import.meta.dirname, '../test.ts')
  const child = spawn(process.execPath, [main, '--config', config], {
    env: { ...process.env, ENDLESS_DIR: dir },
    stdio: 'ignore',
  })
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  onTestFinished(() => void child.kill('SIGTERM'))
  const pids = () =>
    existsSync(path.join(dir, 'pids'))
      ? readFileSync(path.join(dir, 'pids'), 'utf8').trim().split('\n').map(Number)
      : []
  await until(() => pids().length === 5, 60_000)
  const started = pids().map((pid) => ({ pid, born: startTime(pid) }))
  const running = () =>
    started.filter(({ pid, born }) => startTime(pid) === born).map(({ pid }) => pid)
  onTestFinished(() => {
    for (const pid of running()) process.kill(pid, 'SIGKILL')
  })
  return { child, running, started: started.map(({ pid }) => pid) }
}

test('Ctrl-C ends a run of the tests with its servers and every process of its tests', {
  timeout: 120_000,
}, async () => {
  const { child, running } = await endlessRun()
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([130, null])
  await until(() => running().length === 0, 60_000)
})

test('a run of the tests and its servers end when the program that started it is killed outright', {
  timeout: 120_000,
}, async () => {
  const { child, running, started } = await endlessRun()
  const ofItsTest = started.at(-1)!
  child.kill('SIGKILL')
  await until(() => running().every((pid) => pid === ofItsTest), 60_000)
})
