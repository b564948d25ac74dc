import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { rateLimits, sendLimits } from '@lockstep/contracts'
import { openRedis, type Redis, type SendClass, untilReady } from '@lockstep/locks'
import { type Bench, type BenchContext, besidePeers, growth } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter, meterProcesses } from './cpu.ts'
import type { ContenderKind, Order, Report } from './limiter-process.ts'
import { type Comparison, type Contender, compare } from './measure.ts'
import { ownRedis } from './servers.ts'
import { mostInAnyWindow } from './windows.ts'

const processes = 4

/** Grants to 4 processes: how fast when no limit binds, and how exactly when one does. */
export const run: Bench = async (ctx) => {
  await using stack = new AsyncDisposableStack()
  const server = stack.use(await ownRedis(ctx))
  const redis = stack.adopt(openRedis(server.url), (each) => each.disconnect())
  await untilReady(redis, 5_000)
  const children = await startChildren(ctx, server.url, stack)
  const limiters = children.map(({ pid }) => ({ name: 'limiter processes', pid: pid! }))
  const meter = meterProcesses(() => [...limiters, { name: 'redis', pid: server.pid }])
  const against = async (count: number): Promise<SlotComparison> => {
    ctx.say(`${count} slots a call`)
    const granted = { calls: 0, slots: 0 }
    const comparison = await compare({
      ...ctx,
      meter,
      idleAtOnce: true,
      what: `calls for ${count} ${count === 1 ? 'slot' : 'slots'}, ${processes} processes × 16 at once`,
      work: flood(children, 'work', count, granted),
      floor: flood(children, 'floor', count),
      peers: [flood(children, 'counter', count)],
      others: [flood(children, 'beside', count)],
      ...(count === 1 && { reach: 0.7 }),
    })
    return { ...comparison, slotsACall: granted.slots / granted.calls }
  }
  const sizes = [await against(1), await against(4), await against(16)]
  const all = [...sizes, await against(64)]
  return {
    size: `${ctx.rounds} rounds of ${sizes[0]?.operations} calls; then each limit drained for ${drainMs(ctx) / 1000} s`,
    comparisons: all,
    growth: growth(sizes),
    checks: [
      ...all.map(allGranted),
      ...all.flatMap(besidePeers),
      ...(await correctness(ctx, redis, children)),
      await idleAfter(meter),
    ],
  }
}

type SlotComparison = Comparison & { slotsACall: number }

/** `i` is its place among comparisons of 1, 4, 16 … slots a call. */
function allGranted({ work, floor, what, slotsACall }: SlotComparison, i: number): Check {
  const asked = 4 ** i
  return {
    what: `slots a second, ${what}`,
    found: `${whole(work.perSecond * slotsACall)} (${whole(floor.perSecond * asked)} if each call of the floor were as many)`,
    reach: 'all that were asked for',
    ok: slotsACall === asked,
  }
}

async function startChildren(
  ctx: BenchContext,
  url: string,
  stack: AsyncDisposableStack,
): Promise<ChildProcess[]> {
  const children = await Promise.all(Array.from({ length: processes }, () => startChild(url)))
  stack.defer(async () => {
    for (const child of children) {
      ctx.watch('limiter process', child.pid ?? 0)
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
  })
  return children
}

async function startChild(url: string): Promise<ChildProcess> {
  const child = fork(new URL('./limiter-process.ts', import.meta.url), [url], {
    serialization: 'advanced',
  })
  await once(child, 'message')
  return child
}

async function tell(child: ChildProcess, order: Order): Promise<Report> {
  const report = once(child, 'message')
  child.send(order)
  return (await report)[0]
}

const names: Record<ContenderKind, string> = {
  work: 'takeSend',
  floor: 'EVALSHA of "return 1"',
  beside: 'EVALSHA of "return 1" on our client',
  counter: 'rate-limiter-flexible, a call a slot',
}

function flood(
  children: ChildProcess[],
  contender: ContenderKind,
  count: number,
  granted = { calls: 0, slots: 0 },
): Contender {
  return {
    name: names[contender],
    async run(operations) {
      const calls = Math.ceil(operations / processes)
      const reports = await Promise.all(
        children.map((child) =>
          tell(child, { kind: 'flood', contender, calls, atOnce: 16, count }),
        ),
      )
      granted.calls += calls * processes
      granted.slots += reports.reduce((sum, { slots }) => sum + slots, 0)
      return {
        operations: calls * processes,
        elapsedMs: Math.max(...reports.map(({ elapsedMs }) => elapsedMs)),
        latenciesMs: reports.flatMap(({ latenciesMs }) => Array.from(latenciesMs)),
      }
    },
  }
}

/** A connection whose limit binds, and who of the four processes asks as what. */
interface Case {
  connectionId: string
  what: string
  perMinute: number
  perSecond: number
  /** Makes a minute short enough to see several. */
  scale: number
  classes: [SendClass, SendClass, SendClass, SendClass]
}

const cases: Case[] = [
  {
    connectionId: 'minute',
    what: '100 a minute, campaigns alone',
    perMinute: 100,
    perSecond: 80,
    scale: 0.05,
    classes: ['bulk', 'bulk', 'bulk', 'bulk'],
  },
  {
    connectionId: 'second',
    what: '80 a second, campaigns alone',
    perMinute: 60_000,
    perSecond: 80,
    scale: 1,
    classes: ['bulk', 'bulk', 'bulk', 'bulk'],
  },
  {
    connectionId: 'mixed',
    what: '100 a minute, an agent, a bot, two campaigns',
    perMinute: 100,
    perSecond: 80,
    scale: 0.05,
    classes: ['agent', 'bot', 'bulk', 'bulk'],
  },
]

const drainMs = ({ quick }: BenchContext): number => (quick ? 4_000 : 15_250) // five minutes of 3.05 s

/** All classes take all they get; what Redis wrote down, on its own clock, is then looked at. */
async function correctness(
  ctx: BenchContext,
  redis: Redis,
  children: ChildProcess[],
): Promise<Check[]> {
  const checks: Check[] = []
  for (const each of cases) {
    ctx.say(each.what)
    const grants = collectGrants(redis, each.connectionId)
    const { classes, what, ...order } = each
    const forMs = drainMs(ctx)
    await Promise.all(
      children.map((child, i) =>
        tell(child, { kind: 'drain', ...order, class: classes[i] ?? 'bulk', forMs }),
      ),
    )
    checks.push(...judge(each, await grants.stop(), forMs))
  }
  return checks
}

function judge(
  { what, perMinute, perSecond, scale, classes }: Case,
  grantsUs: number[],
  forMs: number,
): Check[] {
  const minute = mostInAnyWindow(grantsUs, rateLimits.whatsapp_api_rate_limit.perMs * scale * 1000)
  const second = mostInAnyWindow(grantsUs, sendLimits.perSecond.perMs * scale * 1000)
  const never: Check = {
    what: `${what}: most in any minute, in any second`,
    found: `${minute}, ${second}`,
    reach: `≤ ${perMinute.toLocaleString('en-US')}, ${perSecond}`,
    ok: minute <= perMinute && second <= perSecond,
  }
  if (classes.some((sendClass) => sendClass !== 'bulk')) return [never]
  const end = (grantsUs[0] ?? 0) + forMs * 1000
  const share =
    grantsUs.filter((us) => us < end).length / mostForBulk(perMinute, perSecond, forMs / scale)
  const used: Check = {
    what: `${what}: share of bulk used`,
    found: `${(share * 100).toFixed(1)} %`,
    reach: '≥ 97 %',
    ok: share >= 0.97,
  }
  return [never, used]
}

/** What campaigns may have of a limit in this time, the reserve for replies left out. */
function mostForBulk(perMinute: number, perSecond: number, forMs: number): number {
  const { windowMs } = rateLimits.whatsapp_api_rate_limit
  const inMinutes =
    Math.ceil(forMs / windowMs) * (perMinute - Math.floor(perMinute * sendLimits.reserve.share))
  const inSeconds =
    (forMs / sendLimits.perSecond.windowMs) *
    (perSecond - Math.floor(perSecond * sendLimits.perSecond.replyShare))
  return Math.min(inMinutes, inSeconds)
}

/** Reads the logs of a connection again and again, for they forget; gives the start of each slot in µs of Redis time, ascending. */
function collectGrants(redis: Redis, connectionId: string): { stop(): Promise<number[]> } {
  const keys = [
    rateLimits.whatsapp_api_rate_limit.key(connectionId),
    sendLimits.reserve.key(connectionId),
  ]
  const grants = new Map<string, number>()
  const stopped = new AbortController()
  const look = async () => {
    for (const key of keys) {
      const log = await redis.zrange(key, '0', '-1', 'WITHSCORES')
      for (let i = 0; i < log.length; i += 2) grants.set(String(log[i]), Number(log[i + 1]))
    }
  }
  const looking = (async () => {
    while (!stopped.signal.aborted) {
      await look()
      await delay(200, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
    await look()
  })()
  return {
    async stop() {
      stopped.abort()
      await looking
      return [...grants.values()].sort((a, b) => a - b)
    },
  }
}

const whole = (n: number): string => Math.round(n).toLocaleString('en-US')
