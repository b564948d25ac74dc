import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type Messaging, openMessaging } from '@lockstep/messaging'
import { createLogger } from '@lockstep/telemetry'
import { until } from '@lockstep/testing'
import type { Bench, BenchContext } from './bench.ts'
import type { Check } from './check.ts'
import {
  type CpuMeter,
  type CpuTimes,
  idleAfter,
  meterProcesses,
  totalOf,
  untilIdle,
  usedBetween,
} from './cpu.ts'
import { startProcess } from './load.ts'
import { memoryOf } from './machine.ts'
import { percentile } from './measure.ts'
import { type BenchSystem, openSystem } from './system.ts'
import { wideLane } from './wide-lane.ts'
import type { WideReport } from './wide-process.ts'

/** Keys that the lane has ever seen, and how many of them have work in the same time. */
const keys = 10_000
const cases = [
  { active: 500, p99Ms: 50 },
  { active: 5_000, p99Ms: 250 },
]
/** Each active key is woken once in this time: it is idle in between. */
const everyMs = 2_000
/** A producer writes what came within this by one statement. */
const tickMs = 10
/** What a key may leave behind in NATS or a worker. */
const bytesAKey = 1_000
const cpuUs = 2_000

interface Tools {
  ctx: BenchContext
  system: BenchSystem
  messaging: Messaging
  worker: ChildProcess
  meter: CpuMeter
}

interface Row {
  active: number
  handled: number
  sets: number
  p50Ms: number
  p99Ms: number
  cpu: CpuTimes
}

/** From the producer's row and wake-up to the handler, while thousands of keys take turns; what a key leaves behind. */
export const run: Bench = async (ctx) => {
  await using stack = new AsyncDisposableStack()
  const system = stack.use(await openSystem(ctx, []))
  const { world } = system
  const log = createLogger({ service: 'bench', to: process.stderr })
  const messaging = stack.use(await openMessaging({ url: world.nats.url, name: 'producer', log }))
  const { child: worker } = stack.use(
    await startProcess(ctx, './wide-process.ts', [world.roleUrl('templates'), world.nats.url]),
  )
  const meter = meterProcesses(() => [
    { name: 'worker', pid: worker.pid! },
    { name: 'nats', pid: world.nats.pid },
    system.postgres,
  ])
  const tools = { ctx, system, messaging, worker, meter }
  const rounds = ctx.quick ? 1 : 5
  await wake(tools, { from: 0, to: 1_000 }, 1)
  const before = await memory(tools)
  await wake(tools, { from: 1_000, to: keys }, 1)
  const after = await memory(tools)
  const rows: Row[] = []
  for (const { active } of cases) rows.push(await measured(tools, active, rounds))
  return {
    size: `${keys.toLocaleString('en-US')} keys; each active one woken every ${everyMs / 1000} s, ${rounds} times; PostgreSQL with fsync`,
    comparisons: [],
    growth: [],
    tables: [tableOf(rows)],
    figures: Object.fromEntries(
      rows.flatMap(({ active, p99Ms, cpu }) => [
        [`p99Ms.${active}`, p99Ms],
        [`cpuUs.${active}`, totalOf(cpu)],
      ]),
    ),
    checks: [...rows.flatMap(checksOf), ...flat(before, after), await idleAfter(meter)],
  }
}

async function measured(tools: Tools, active: number, rounds: number): Promise<Row> {
  tools.ctx.say(`${active} active keys`)
  await report(tools.worker)
  const before = tools.meter.read()
  await wake(tools, { from: 0, to: active }, rounds)
  await untilIdle(tools.meter)
  const used = usedBetween(before, tools.meter.read())
  const { latenciesMs, sets } = await report(tools.worker)
  const sorted = latenciesMs.toSorted()
  const handled = sorted.length
  if (handled !== active * rounds)
    throw new Error(`${handled} of ${active * rounds} entries were handled`)
  const cpu = Object.fromEntries(Object.entries(used).map(([name, us]) => [name, us / handled]))
  return {
    active,
    handled,
    sets,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    cpu,
  }
}

/** Writes an entry for each key of a range and wakes it, spread over the time; resolves when the lane is empty again. */
async function wake(
  { system, messaging }: Tools,
  { from, to }: { from: number; to: number },
  rounds: number,
): Promise<void> {
  const total = (to - from) * rounds
  const startedAt = performance.now()
  for (let done = 0; done < total; ) {
    await delay(tickMs)
    const due = Math.min(
      total,
      Math.ceil(((performance.now() - startedAt) * (to - from)) / everyMs),
    )
    const names = Array.from(
      { length: due - done },
      (_, i) => `key-${from + ((done + i) % (to - from))}`,
    )
    done = due
    const body = Buffer.from(JSON.stringify({ atMs: Date.now() }))
    await system.watcher.sql(
      'insert into templates.feed_open (lane, key, body, bytes) select $1, key, $2, $3 from unnest($4::text[]) key',
      [wideLane, body, body.length, names],
      'append',
    )
    for (const name of names) messaging.wake(wideLane, name)
  }
  const open = 'select from templates.feed_open limit 1'
  await until(async () => (await system.watcher.sql(open)).length === 0, 60_000)
}

async function report(worker: ChildProcess): Promise<WideReport> {
  const answer = once(worker, 'message')
  worker.send('report')
  return (await answer)[0]
}

type Memory = Record<'nats' | 'worker', number>

async function memory({ system, worker, meter }: Tools): Promise<Memory> {
  await untilIdle(meter)
  return {
    worker: (await report(worker)).memory ?? Number.NaN,
    nats: memoryOf(system.world.nats.pid, 'now') ?? Number.NaN,
  }
}

function flat(before: Memory, after: Memory): Check[] {
  return (['nats', 'worker'] as const).map((process) => {
    const bytes = (after[process] - before[process]) / (keys - 1_000)
    const mb = (value: number) => `${(value / 1e6).toFixed(0)} MB`
    return {
      what: `memory of ${process} with 1,000 and with ${keys.toLocaleString('en-US')} keys`,
      found: `${mb(before[process])}, ${mb(after[process])}: ${Math.round(bytes)} bytes a key`,
      reach: `≤ ${bytesAKey}`,
      ok: bytes <= bytesAKey,
    }
  })
}

function checksOf({ active, p99Ms, cpu }: Row): Check[] {
  const most = cases.find((each) => each.active === active)!.p99Ms
  const of = `${active.toLocaleString('en-US')} of ${keys.toLocaleString('en-US')} keys active`
  const us = totalOf(cpu)
  return [
    {
      what: `p99 from wake-up to handler, ${of}`,
      found: `${p99Ms.toFixed(0)} ms`,
      reach: `≤ ${most} ms`,
      ok: p99Ms <= most,
    },
    {
      what: `CPU from wake-up to settle, ${of}`,
      found: `${us.toFixed(0)} µs`,
      reach: `≤ ${cpuUs} µs`,
      ok: us <= cpuUs,
    },
  ]
}

function tableOf(rows: readonly Row[]): { titles: string[]; rows: string[][] } {
  const processes = Object.keys(rows[0]?.cpu ?? {})
  return {
    titles: [
      'active keys',
      'entries',
      'sets',
      'p50 ms',
      'p99 ms',
      'CPU, µs an entry',
      ...processes,
    ],
    rows: rows.map(({ active, handled, sets, p50Ms, p99Ms, cpu }) => {
      const us = [totalOf(cpu), ...processes.map((process) => cpu[process]!)].map((each) =>
        each.toFixed(0),
      )
      return [
        active.toLocaleString('en-US'),
        String(handled),
        String(sets),
        p50Ms.toFixed(0),
        p99Ms.toFixed(0),
        ...us,
      ]
    }),
  }
}
