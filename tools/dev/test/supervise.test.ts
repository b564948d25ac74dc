import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Running } from '@lockstep/system'
import { until } from '@lockstep/testing'
import { afterAll, expect, test } from 'vitest'
import { supervise } from '../supervise.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'lockstep-supervise-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** A process that says something into a log and runs, or ends at once. */
function shell(logFile: string, script: string): Running & { pid: number } {
  const log = openSync(logFile, 'a')
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', log, log] })
  closeSync(log)
  const exited = once(child, 'exit')
  return { pid: child.pid!, exited, stop: () => Promise.all([exited, child.kill('SIGKILL')]) }
}

function supervised(name: string, scripts: string[]) {
  const logFile = path.join(dir, `${name}.log`)
  const said: string[] = []
  const givenUp: Error[] = []
  const started: (Running & { pid: number })[] = []
  const start = () => {
    started.push(shell(logFile, scripts[Math.min(started.length, scripts.length - 1)]!))
    return started.at(-1)!
  }
  const supervision = supervise({
    name,
    logFile,
    first: start(),
    restart: async () => start(),
    say: (line) => said.push(line),
    giveUp: (error) => givenUp.push(error),
  })
  return { supervision, said, givenUp, started }
}

test('a process that ends by itself is named with its last lines and runs again', async () => {
  const { supervision, said, givenUp, started } = supervised('one', [
    'echo the disk is full; exit 3',
    'exec sleep 600',
  ])
  await until(() => said.length === 2)
  expect(said[0]).toMatch(
    /^one has ended by itself; it is started again. The end of .*one.log:\n {2}the disk is full$/,
  )
  expect(said[1]).toBe('one runs again.')
  await supervision[Symbol.asyncDispose]()
  await started[1]!.exited
  expect([said.length, givenUp.length, started.length]).toEqual([2, 0, 2])
})

test('a process that does not stay up is given up with its last lines', async () => {
  const { supervision, said, givenUp, started } = supervised('restless', ['echo no memory; exit 1'])
  await until(() => givenUp.length === 1)
  expect(givenUp[0]!.message).toMatch(
    /^restless has ended by itself 4 times within a minute. The end of .*\n {2}no memory$/s,
  )
  expect(started).toHaveLength(4)
  expect(said.filter((line) => line.includes('is started again'))).toHaveLength(3)
  await supervision[Symbol.asyncDispose]()
})

test('a process that is stopped on purpose is neither named nor started again', async () => {
  const { supervision, said, givenUp, started } = supervised('stopped', ['exec sleep 600'])
  await supervision[Symbol.asyncDispose]()
  expect([said, givenUp, started.length]).toEqual([[], [], 1])
})
