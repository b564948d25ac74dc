import { get, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { everyRight } from '@lockstep/contracts'
import { type Messaging, openMessaging } from '@lockstep/messaging'
import { createLogger } from '@lockstep/telemetry'
import { until } from '@lockstep/testing'
import type { Bench, BenchContext } from './bench.ts'
import type { Check } from './check.ts'
import {
  type CpuMeter,
  type CpuTimes,
  meterProcesses,
  totalOf,
  untilIdle,
  usedBetween,
} from './cpu.ts'
import { startProcess } from './load.ts'
import { memoryOf } from './machine.ts'
import { percentile } from './measure.ts'
import { type BenchSystem, openSystem } from './system.ts'

/** Each account is followed by so many streams. */
const streamsAnAccount = 10
/** Events a second, over all accounts in turn: each goes to all streams of its account. */
const eventsASecond = 100
const tickMs = 100
/** What an open stream may hold in the api: 2,000 of them 200 MB, with the sockets and what waits to be collected. */
const bytesAStream = 100_000
const p99Ms = 1_000
/** What a follower who takes nothing may cost: what the sockets and the api keep for it. */
const bytesASlowStream = 200_000

interface Follower {
  accountId: string
  key: string
}

interface Tools {
  system: BenchSystem
  messaging: Messaging
  /** Where the api is. */
  api: string
}

/** From an entry in a feed to all who follow its account, and what open streams hold in memory. */
export const run: Bench = async (ctx) => {
  await using up = new AsyncDisposableStack()
  const accounts = ctx.quick ? 10 : 200
  const seconds = ctx.quick ? 2 : 10
  const tools = up.use(await openTools(ctx))
  const { meter } = tools.system
  const memory = () => memoryOf(tools.system.pids.api!, 'now') ?? Number.NaN
  const followers = await makeFollowers(tools.system, accounts)
  await warmUp(tools, followers[0]!)

  const empty = memory()
  const count = accounts * streamsAnAccount
  ctx.say(`${count} streams`)
  const streams = up.use(await openStreams(tools.api, followers))
  await untilIdle(meter)
  const open = memory()
  ctx.say(`${eventsASecond} events a second for ${seconds} s`)
  const work = await measured(meter, streams, () => tellEvents(tools, followers, seconds))
  ctx.say('followers who take nothing')
  streams.pauseAll()
  await tellEvents(tools, followers, seconds, 'x'.repeat(2_000))
  await untilIdle(meter)
  const paused = memory()
  const floor = await floorOf(ctx, followers, seconds)

  return {
    size: `${count.toLocaleString('en-US')} streams of ${accounts} accounts in one process of the api; ${eventsASecond} events a second, each to ${streamsAnAccount} streams`,
    comparisons: [],
    growth: [],
    tables: [tableOf(work, floor)],
    figures: { p99Ms: work.p99Ms, cpuUs: totalOf(work.cpu), floorCpuUs: totalOf(floor.cpu) },
    checks: [
      atMost('p99 from an entry to its followers', work.p99Ms, p99Ms, 'ms'),
      atMost('memory of an open stream', (open - empty) / count, bytesAStream, 'bytes'),
      atMost('of one that takes nothing', (paused - empty) / count, bytesASlowStream, 'bytes'),
    ],
  }
}

async function openTools(ctx: BenchContext): Promise<Tools & AsyncDisposable> {
  await using up = new AsyncDisposableStack()
  const system = up.use(await openSystem(ctx, ['accounts', 'campaigns', 'events', 'api']))
  const log = createLogger({ service: 'bench', to: process.stderr })
  const url = system.world.nats.url
  const messaging = up.use(await openMessaging({ url, name: 'producer', log }))
  const opened = up.move()
  return {
    system,
    messaging,
    api: `http://127.0.0.1:${system.ports.api.http}`,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

async function makeFollowers(system: BenchSystem, count: number): Promise<Follower[]> {
  const { accounts } = system.clients
  const followers: Follower[] = []
  for (let i = 0; i < count; i++) {
    const { id: accountId } = await accounts.createAccount({ name: `Follower ${i}` }, {})
    const asked = {
      name: 'bench',
      rights: ['events.read', 'campaigns.read'],
      heldRights: [everyRight],
    }
    followers.push({ accountId, key: (await accounts.createApiKey(asked, { accountId })).key })
  }
  return followers
}

interface Streams extends AsyncDisposable {
  count: number
  /** Events received so far, and how long each was on its way, ms. */
  received(): number
  latencies(): number[]
  pauseAll(): void
}

async function openStreams(url: string, followers: readonly Follower[]): Promise<Streams> {
  const responses: IncomingMessage[] = []
  let latencies: number[] = []
  let received = 0
  const read = (text: string) => {
    for (const [, atMs] of text.matchAll(/"at_ms":(\d+)/g)) {
      received++
      latencies.push(Date.now() - Number(atMs))
    }
  }
  for (const { key } of followers) {
    const opening = Array.from({ length: streamsAnAccount }, () => openStream(url, key))
    for (const response of await Promise.all(opening)) {
      response
        .setEncoding('utf8')
        .on('data', read)
        .on('error', () => undefined)
      responses.push(response)
    }
  }
  return {
    count: responses.length,
    received: () => received,
    latencies() {
      const seen = latencies
      latencies = []
      return seen
    },
    pauseAll() {
      for (const response of responses) response.pause()
    },
    async [Symbol.asyncDispose]() {
      for (const response of responses) response.destroy()
    },
  }
}

function openStream(url: string, key: string): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${key}`, accept: 'text/event-stream' }
  const request = get(`${url}/v1/events?topics=campaigns`, { headers, agent: false })
  return new Promise((resolve, reject) => {
    request.once('error', reject).once('response', (response) => {
      if (response.statusCode === 200) resolve(response)
      else reject(new Error(`A stream was answered ${response.statusCode}`))
    })
  })
}

/** The api and its peers have their connections and their code before anything is measured. */
async function warmUp(tools: Tools, follower: Follower): Promise<void> {
  await using streams = await openStreams(tools.api, [follower])
  const told = await tellEvents(tools, [follower], 1)
  await until(() => streams.received() >= told * streamsAnAccount, 30_000)
}

/** Writes entries as campaigns does, in turn over all accounts; answers how many. */
async function tellEvents(
  { system, messaging }: Tools,
  followers: readonly Follower[],
  seconds: number,
  padding = '',
): Promise<number> {
  return inTicks(followers, seconds, async (these) => {
    const keys = these.map(({ accountId }) => accountId)
    const body = { at_ms: Date.now(), padding }
    const event = [{ kind: 'campaign.state', subjectId: 'a', body }]
    await system.watcher.sql(
      `insert into campaigns.feed_open (lane, key, account_id, body)
       select 'events.campaigns', key, key::uuid, convert_to($2, 'UTF8') from unnest($1::text[]) key`,
      [keys, JSON.stringify(event)],
      'append',
    )
    for (const key of keys) messaging.wake('events.campaigns', key)
  })
}

/** Tells of followers in turn, so many a tick; answers of how many. */
async function inTicks(
  followers: readonly Follower[],
  seconds: number,
  tell: (these: Follower[]) => Promise<void> | void,
): Promise<number> {
  const perTick = (eventsASecond * tickMs) / 1_000
  let told = 0
  for (let tick = 0; tick < (seconds * 1_000) / tickMs; tick++) {
    const next = delay(tickMs)
    await tell(Array.from({ length: perTick }, () => followers[told++ % followers.length]!))
    await next
  }
  return told
}

interface Delivered {
  deliveries: number
  p50Ms: number
  p99Ms: number
  /** Microseconds a delivery, by process. */
  cpu: CpuTimes
}

async function measured(
  meter: CpuMeter,
  streams: Streams,
  tell: () => Promise<number>,
): Promise<Delivered> {
  await untilIdle(meter)
  streams.latencies()
  const before = { cpu: meter.read(), received: streams.received() }
  const deliveries = (await tell()) * streamsAnAccount
  await until(() => streams.received() - before.received >= deliveries, 60_000)
  await untilIdle(meter)
  const used = usedBetween(before.cpu, meter.read())
  const sorted = Float64Array.from(streams.latencies()).sort()
  return {
    deliveries,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    cpu: Object.fromEntries(Object.entries(used).map(([name, us]) => [name, us / deliveries])),
  }
}

/** The same texts to as many streams of a bare HTTP server, which is told by its parent. */
async function floorOf(
  ctx: BenchContext,
  followers: readonly Follower[],
  seconds: number,
): Promise<Delivered> {
  await using up = new AsyncDisposableStack()
  const { child, ready } = up.use(await startProcess<string>(ctx, './streams-floor-process.ts'))
  const streams = up.use(await openStreams(ready, followers))
  const meter = meterProcesses(() => [{ name: 'floor', pid: child.pid! }])
  const tell = (these: Follower[]) => {
    for (const { key } of these) child.send({ key, atMs: Date.now() })
  }
  return await measured(meter, streams, () => inTicks(followers, seconds, tell))
}

function tableOf(work: Delivered, floor: Delivered): { titles: string[]; rows: string[][] } {
  const row = (name: string, { deliveries, p50Ms, p99Ms, cpu }: Delivered) => {
    const byProcess = Object.entries(cpu).map(([process, us]) => `${process} ${us.toFixed(0)}`)
    return [
      name,
      deliveries.toLocaleString('en-US'),
      p50Ms.toFixed(0),
      p99Ms.toFixed(0),
      totalOf(cpu).toFixed(0),
      byProcess.join(', '),
    ]
  }
  return {
    titles: ['', 'deliveries', 'p50 ms', 'p99 ms', 'CPU, µs a delivery', 'by process'],
    rows: [row('Lockstep', work), row('floor: a bare HTTP server', floor)],
  }
}

const atMost = (what: string, found: number, most: number, unit: string): Check => ({
  what,
  found: `${Math.round(found).toLocaleString('en-US')} ${unit}`,
  reach: `≤ ${most.toLocaleString('en-US')} ${unit}`,
  ok: found <= most,
})
