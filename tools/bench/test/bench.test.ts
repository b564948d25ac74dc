import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { promisify } from 'node:util'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { benches } from '../src/benches.ts'
import { meterProcesses, usedBetween } from '../src/cpu.ts'
import { compare, figure, median, percentile, type Round, repeat } from '../src/measure.ts'
import { replaceSection } from '../src/print.ts'
import { mostInAnyWindow } from '../src/windows.ts'

const round = (operations: number, elapsedMs: number, latenciesMs: number[] = []): Round => ({
  operations,
  elapsedMs,
  latenciesMs,
})

test('a ratio compares rounds that ran side by side, so that a neighbour who slows some of them down does not move it', async () => {
  const slowdowns = [1, 1, 10, 1, 3, 1, 1] // the first two warm up
  const contender = (name: string, msEach: number) => {
    const slow = [...slowdowns]
    return {
      name,
      run: async (operations: number) =>
        round(operations, operations * msEach * (slow.shift() ?? 1)),
    }
  }
  const work = contender('work', 2)
  const floor = contender('floor', 1)
  const result = await compare({
    what: 'it',
    work,
    floor,
    peers: [contender('peer', 8)],
    reach: 0.7,
    rounds: 5,
    roundMs: 1_000,
  })

  expect(result).toMatchObject({
    ratio: 0.5,
    rounds: 5,
    operations: 500,
    work: { perSecond: 500 },
    floor: { perSecond: 1000 },
  })
  expect(result.peers[0]).toMatchObject({ name: 'peer', ratio: 4 })
})

test('percentiles are values that were measured, over all rounds together', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  expect(
    figure('it', [round(50, 1, hundred.slice(50)), round(50, 1, hundred.slice(0, 50))]),
  ).toMatchObject({ p50Ms: 50, p99Ms: 99 })
  expect([percentile([7], 0.99), percentile([1, 2, 3], 0.5), percentile([], 0.5)]).toEqual([
    7,
    2,
    Number.NaN,
  ])
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN])
})

test('each operation is done once, and no more of them at a time than asked for', async () => {
  const done: number[] = []
  let running = 0
  let most = 0
  const { latenciesMs } = await repeat(100, 8, async (i) => {
    most = Math.max(most, ++running)
    await new Promise(setImmediate)
    running -= 1
    done.push(i)
  })
  expect(most).toBe(8)
  expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  expect(latenciesMs).toHaveLength(100)
})

test('a window holds what starts within its length, wherever it begins', () => {
  expect(mostInAnyWindow([0, 50, 99, 100, 149, 150], 100)).toBe(4)
  expect(mostInAnyWindow([], 100)).toBe(0)
})

test('a result takes the place of the one before it, and its neighbours stay', () => {
  const document = '# Benchmarks\n\nWords.\n\n## locks\n\nold\n\n## lanes\n\nstays\n'
  const replaced = replaceSection(document, '## locks\n\nnew\n')
  expect(replaced).toBe('# Benchmarks\n\nWords.\n\n## locks\n\nnew\n\n## lanes\n\nstays\n')
  expect(replaceSection(replaced, '## limiter\n\nfirst\n')).toBe(
    `${replaced}\n## limiter\n\nfirst\n`,
  )
})

test('a bench that does not exist is refused with the list of those that do', async () => {
  const main = path.resolve(import.meta.dirname, '../main.ts')
  const refused = promisify(execFile)(process.execPath, [main, 'lokcs'])
  await expect(refused).rejects.toMatchObject({ code: 2, stdout: '' })
  await expect(refused).rejects.toThrow(
    `There is no bench "lokcs". There are: ${Object.keys(benches).join(', ')}.`,
  )
})

test('CPU of a process counts what its children used, also those that have ended, and leaves out those that only measure', async () => {
  const work = 'while (process.cpuUsage().user < 300_000); setInterval(() => {}, 1000)'
  const script = `
    const { spawnSync, spawn } = require('node:child_process')
    spawnSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 300_000);'])
    console.log(spawn(process.execPath, ['-e', process.argv[1]]).pid)
    setInterval(() => {}, 1000)`
  const parent = spawn(process.execPath, ['-e', script, work], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    const child = Number(String((await once(parent.stdout, 'data'))[0]))
    const all = meterProcesses(() => [{ name: 'it', pid: parent.pid! }])
    const without = meterProcesses(() => [{ name: 'it', pid: parent.pid!, except: [child] }])
    await until(() => (all.read().it ?? 0) - (without.read().it ?? 0) >= 200_000)
    expect(without.read().it).toBeGreaterThanOrEqual(200_000)
    expect(usedBetween({ it: 1 }, { it: 3, later: 5 })).toEqual({ it: 2, later: 0 })
    process.kill(child, 'SIGKILL')
  } finally {
    parent.kill('SIGKILL')
  }
})

test('processes of one name are added up, and one that has ended counts nothing', () => {
  const meter = meterProcesses(() => [
    { name: 'two', pid: process.pid },
    { name: 'two', pid: process.pid },
    { name: 'gone', pid: 2 ** 22 + 1 },
  ])
  const one = meterProcesses(() => [{ name: 'one', pid: process.pid }]).read().one!
  expect(meter.read().two).toBeGreaterThanOrEqual(2 * one)
  expect(meter.read().gone).toBe(0)
})
