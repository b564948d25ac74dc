import { setTimeout as delay } from 'node:timers/promises'
import { type LaneName, streams } from '@lockstep/contracts'
import { type Messaging, openMessaging } from '@lockstep/messaging'
import { createLogger, startTelemetry, type Telemetry } from '@lockstep/telemetry'
import { type Bench, type BenchContext, type Check, growth } from './bench.ts'
import { idleAfter, meterBench, meterProcesses } from './cpu.ts'
import { collectGarbage, memoryOf } from './machine.ts'
import { type Comparison, type Contender, compare } from './measure.ts'
import { openPlainQueue } from './plain-queue.ts'
import { type OwnServer, ownNats } from './servers.ts'
import { openTurnstile, type Turnstile } from './turnstile.ts'

const lane: LaneName = 'webhooks.message'
const active = 500
/** All that the stream of the lane has room for. */
const known = streams.WEBHOOKS.maxConsumers

/** Doorbell to handler, beside one plain consumer that gets the same messages from the same server. */
export const run: Bench = async (ctx) => {
  await using up = new AsyncDisposableStack()
  const telemetry = up.use(startTelemetry({ service: 'bench' })) // counting is part of the work
  const all = ctx.quick ? known / 10 : known
  const sizes = [all / 16, all / 4].map(Math.round)
  const smaller: Comparison[] = []
  {
    await using world = await openWorld(ctx, telemetry)
    for (const [i, size] of sizes.entries()) {
      await world.make(sizes[i - 1] ?? 0, size)
      smaller.push(await world.against(`${whole(size)} known`, even()))
    }
  }
  await using world = await openWorld(ctx, telemetry)
  const idle = await memoryOfIdleLanes(world, all)
  const evenly = await world.against(`${whole(all)} known, ${active} active, even`, even(), 0.5)
  const skewed = await world.against(`${whole(all)} known, ${active} active, skewed`, zipf(active), 0.5)
  return {
    size: `${ctx.rounds} rounds of ${evenly.operations} doorbells (even) and ${skewed.operations} rings (skewed), ${active} rings unanswered at any time`,
    comparisons: [evenly, skewed],
    growth: growth([...smaller, evenly]),
    checks: [...idle, await idleAfter(world.meter)],
  }
}

/** A server with a ringer, a worker and a plain queue, each on a connection of its own. */
async function openWorld(ctx: BenchContext, telemetry: Telemetry) {
  await using up = new AsyncDisposableStack()
  const server = up.use(await ownNats(ctx))
  const log = createLogger({ service: 'bench', to: process.stderr })
  const open = (name: string) => openMessaging({ url: server.url, name, log })
  const ringer = up.use(await open('ringer'))
  const turnstile = openTurnstile(active, (key) => ringer.ring(lane, key))
  up.use(await worker(up.use(await open('worker')), turnstile))
  const plain = up.use(await openPlainQueue(server.url))
  const meter = meterProcesses(() => [meterBench, { name: 'nats', pid: server.pid }])
  const opened = up.move()
  return {
    server,
    meter,
    /** Rings each of these numbers once, so that each has a lane. */
    async make(from: number, to: number) {
      ctx.say(`${whole(to)} numbers become known`)
      await turnstile.pass(to - from, (i) => keyOf(from + i))
      await quiet(telemetry)
    },
    against(what: string, nextKey: (i: number) => string, reach?: number) {
      ctx.say(what)
      const lanes: Contender = { name: 'lanes', run: (rings) => turnstile.pass(rings, nextKey) }
      const floor: Contender = { name: 'one plain consumer', run: (messages) => plain.pass(messages, active, nextKey) }
      return compare({
        ...ctx,
        meter,
        idleAtOnce: true,
        what,
        work: lanes,
        floor,
        least: 4 * active,
        ...(reach !== undefined && { reach }),
      })
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

type World = Awaited<ReturnType<typeof openWorld>>

function worker(messaging: Messaging, turnstile: Turnstile): Promise<AsyncDisposable> {
  return messaging.workLane(lane, async (key) => {
    turnstile.answer(key)
    return 'ack'
  })
}

/** Resolves when the worker looks after no key any more: all its lanes are idle. */
async function quiet(telemetry: Telemetry): Promise<void> {
  const until = performance.now() + 60_000
  while (performance.now() < until) {
    const keys = /^lockstep_lane_active_keys\{[^}]*\} (\d+)/m.exec(await telemetry.metricsText())?.[1]
    if (keys === '0') return
    await delay(250)
  }
  throw new Error('Some lanes never became idle; look at the worker')
}

async function memoryOfIdleLanes(world: World, lanes: number): Promise<Check[]> {
  await world.make(0, lanes / 100) // what the first lanes need, all share
  const before = memory(world.server)
  await world.make(lanes / 100, lanes)
  const after = memory(world.server)
  if (!before || !after) return []
  const kB = (process: 'server' | 'worker') => (after[process] - before[process]) / 1000 / (lanes * 0.99)
  const each = kB('server') + kB('worker')
  return [
    {
      what: `memory of an idle lane, server and worker (${whole(lanes)} lanes)`,
      found: `${each.toFixed(1)} kB (${kB('server').toFixed(1)} + ${kB('worker').toFixed(1)})`,
      reach: '≤ 50 kB',
      ok: each <= 50,
    },
  ]
}

function memory({ pid }: OwnServer): { server: number; worker: number } | undefined {
  collectGarbage()
  const [server, worker] = [memoryOf(pid, 'now'), memoryOf(process.pid, 'now')]
  return server !== undefined && worker !== undefined ? { server, worker } : undefined
}

const keyOf = (i: number): string => `number-${i}`

/** All active numbers in turn. */
function even(): (i: number) => string {
  return (i) => keyOf(i % active)
}

/** The n-th number gets a share of 1/n; the same sequence at each run. */
function zipf(count: number): (i: number) => string {
  const upTo: number[] = []
  for (let n = 1; n <= count; n++) upTo.push((upTo[n - 2] ?? 0) + 1 / n)
  const whole = upTo[count - 1] ?? 1
  return (i) => {
    const at = ((i * 0.618_033_988_75) % 1) * whole // the golden ratio spreads evenly without chance
    return keyOf(upTo.findIndex((sum) => at < sum))
  }
}

const whole = (n: number): string => n.toLocaleString('en-US')
