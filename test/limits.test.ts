import { cpus } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { rateLimits, sendLimits, slotGraceMs, slotHorizonMs } from '@lockstep/contracts'
import { openRedis, type Redis, type SendClass, untilReady } from '@lockstep/locks'
import type { PostLine, Simulator } from '@lockstep/meta-simulator'
import { openProxy, type Proxy as TcpProxy, until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { lookAtSlots, takeSlots } from '../packages/locks/src/send-limit.ts'
import type { Plan, Report, Sent } from './fixtures/sender.ts'
import { type Senders, startSenders } from './fixtures/senders.ts'

/*
 * What counts is what Meta sees. So the arrivals in the simulator's own log are counted here, of messages that up to five processes
 * send as fast as they may, by the product's own loop. `scale` shrinks the limiter's times: at 0.1 its minute lasts 6 s and is kept as
 * 6.1 s.
 */

vi.setConfig({ testTimeout: 60_000 })

const stack = new AsyncDisposableStack()
let redis: Redis
let system: TestSystem
let tenant: Tenant
let people: string[]
let simulator: Simulator
let way: TcpProxy
let senders: Senders

beforeAll(async () => {
  system = stack.use(await startSystem({ services: ['accounts', 'contacts', 'templates'] }))
  simulator = system.simulator
  tenant = await system.addTenant()
  await system.importContacts(tenant, phones(5 * peopleOfProcess))
  people = (
    await system.world.sql<{ id: string }>('select id from contacts.contacts order by id')
  ).map(({ id }) => id)
  way = stack.use(await openProxy(simulator.url))
  redis = stack.adopt(openRedis(system.world.redis.url), (client) => client.disconnect())
  await untilReady(redis, 5_000)
  senders = stack.use(startSenders(5))
})
afterAll(() => stack.disposeAsync())

let numbers = 0

interface Limits {
  perMinute: number
  perSecond: number
  scale: number
  /** How much longer the way to Meta is for some than for others. */
  wayMs?: number
}

/** So many people each process writes to, at most. */
const peopleOfProcess = 800

/** A connection of its own for a test: how processes send through it, and what Meta sees of it. */
async function connect({ perMinute, perSecond, scale, wayMs = 0 }: Limits) {
  const phoneNumberId = String(1_000 + ++numbers)
  const accessToken = `token-${numbers}`
  const displayPhoneNumber = `+1 555 ${phoneNumberId}`
  await simulator.client.setState({
    numbers: [{ id: phoneNumberId, wabaId: '1', token: accessToken, displayPhoneNumber }],
  })
  way.slow(0, wayMs)
  let planned = 0
  const plan = (by: SendClass, everyMs = 0): Plan => ({
    redisUrl: system.world.redis.url,
    graphUrl: way.url,
    contactsAddress: `127.0.0.1:${system.ports.contacts.grpc}`,
    accountId: tenant.accountId,
    contactIds: people.slice(planned * peopleOfProcess, ++planned * peopleOfProcess),
    phoneNumberId,
    accessToken,
    scale,
    route: { connectionId: phoneNumberId, perMinute, perSecond, class: by },
    everyMs,
  })
  return {
    bulk: (processes: number) => Array.from({ length: processes }, () => plan('bulk')),
    /** One message at a time; the next is there `everyMs` after the slot of the one before it. */
    replies: (by: 'agent' | 'bot', everyMs = 1) => plan(by, everyMs),
    /** This class has to wait for another minute: slots that were missed count, too. */
    isMinuteFull: async (by: SendClass) => {
      const request = { connectionId: phoneNumberId, perMinute, perSecond, class: by, count: 1 }
      const { retryAfterMs } = await lookAtSlots(redis, request, scale)
      return retryAfterMs != null && retryAfterMs > 2 * sendLimits.perSecond.windowMs
    },
    /** All POSTs that arrived, whatever became of them, from the log. */
    posts: async () =>
      (await Array.fromAsync(simulator.client.log({ kind: 'post', phoneNumberId }))) as PostLine[],
  }
}

/** A POST as Meta saw it, with what its sender knows of it. */
type Arrival = Pick<Sent, 'class' | 'askedAtMs' | 'answeredAtMs' | 'slotAtMs'> & {
  atMs: number
  /** It may have lain before this process since then, which stood still. */
  sinceMs: number
}

/** Meta is simulated in this process: when it stands still for longer, what arrives meanwhile is logged with the time at which it goes on. */
const stillMs = 20
const ticks: number[] = [Date.now()]
const ticking = setInterval(() => ticks.push(Date.now()), 5)
afterAll(() => clearInterval(ticking))

/** When a POST of the log may have arrived at first: it was read once by the way to Meta, and once by Meta. */
function sinceOf(atMs: number): number {
  const next = ticks.findLastIndex((tick) => tick <= atMs) + 1
  const stills = [0, 1, 2].map((back) => ({
    from: ticks[next - back - 1] ?? atMs,
    to: Math.min(ticks[next - back] ?? atMs, atMs),
  }))
  return Math.min(
    atMs,
    ...stills.filter(({ from, to }) => to - from > stillMs).map(({ from }) => from),
  )
}

const classOf = (callback: string) => callback.split('.')[2]!.split('-')[0] as SendClass

function arrivals(posts: readonly PostLine[], reports: readonly Report[]): Arrival[] {
  const known = new Map(reports.flatMap(({ sent }) => sent).map((one) => [one.callback, one]))
  const nothing = { askedAtMs: 0, answeredAtMs: 0, slotAtMs: 0 }
  return posts
    .map(({ atMs, callback }) => ({
      ...nothing,
      ...known.get(callback!),
      class: classOf(callback!),
      atMs,
      sinceMs: sinceOf(atMs),
    }))
    .sort((a, b) => a.atMs - b.atMs)
}

const of = (by: SendClass, all: readonly Arrival[]) => all.filter((arrival) => arrival.class === by)
const count = (all: readonly { atMs: number }[], fromMs: number, ms: number) =>
  all.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + ms).length

/** What the processors have done since they began, ms. */
function readProcessors() {
  const times = cpus().map((one) => one.times)
  const sum = (some: readonly number[]) => some.reduce((total, ms) => total + ms, 0)
  return {
    atMs: Date.now(),
    idle: sum(times.map(({ idle }) => idle)),
    all: sum(times.flatMap((one) => Object.values(one))),
  }
}
const readings = [readProcessors()]
const reading = setInterval(() => readings.push(readProcessors()), 250)
afterAll(() => clearInterval(reading))

/** Less than a tenth of the processors' time was idle: whoever had work waited for one. */
function wasBusy(fromMs: number, ms: number): boolean {
  const within = readings.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + ms)
  const [first, last] = [within.at(0), within.at(-1)]
  return !first || !last || last.idle - first.idle < (last.all - first.all) / 10
}

/**
 * That so many were sent in a time, or were booked: where a twentieth of the slots was missed, or the processors were
 * never idle, this machine held the processes up, and their number says nothing. How many are used on a calm one shows the bench.
 */
function expectUse(
  reports: readonly Report[],
  all: readonly Arrival[],
  fromMs: number,
  ms: number,
  least: number,
): void {
  const booked = count(
    reports.flatMap(({ slotsAtMs }) => slotsAtMs).map((atMs) => ({ atMs })),
    fromMs,
    ms,
  )
  const sent = count(all, fromMs, ms)
  const isHeldUp = sent < booked * 0.95 || wasBusy(fromMs, ms)
  if (!isHeldUp) expect(booked).toBeGreaterThanOrEqual(least)
}

/** The test is run again where a twentieth of the slots was missed from 1.5 s before a time on. */
function expectSteady(
  reports: readonly Report[],
  all: readonly { atMs: number }[],
  atMs: number,
): void {
  const slots = reports
    .flatMap(({ slotsAtMs }) => slotsAtMs)
    .filter((slot) => slot >= atMs - 1_500 && slot < atMs + 5_500)
  const sent = count(all, atMs - 1_500, 7_000)
  if (sent < slots.length * 0.95)
    throw new Error(`The machine is too busy: of ${slots.length} slots ${sent} were used`)
}

/** The most of these times that any window of `span` holds. */
function densest(times: readonly number[], span: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  let from = 0
  return sorted.reduce((highest, at, to) => {
    while (sorted[from]! <= at - span) from++
    return Math.max(highest, to - from + 1)
  }, 0)
}

/** The most POSTs that any window of `ms` certainly holds: all of them count, whatever held them up. */
const most = (all: readonly Arrival[], ms: number): number =>
  Math.max(
    0,
    ...all.map(
      ({ atMs: toMs }) =>
        all.filter(({ atMs, sinceMs }) => atMs <= toMs && sinceMs > toMs - ms).length,
    ),
  )

const again = { retry: { count: 2, condition: /machine is too busy/ } }

/** Lets the processes send until then: what they do meanwhile is what is measured. */
const untilTime = (atMs: number) => until(() => Date.now() >= atMs, 60_000)

/** When the first POST arrived. */
const firstOf = async ({ posts }: { posts(): Promise<PostLine[]> }) =>
  (await until(async () => (await posts())[0])).atMs

test('4 campaigns and an agent: no minute in the log holds more than the limit, and the campaigns use 97 % of their part', async () => {
  const scale = 0.1
  const keptMs = rateLimits.whatsapp_api_rate_limit.windowMs * scale
  const number = await connect({ perMinute: 100, perSecond: 10, scale, wayMs: 20 })
  // An agent who uses up the 20 of a minute that are kept for replies, and no more.
  await using sending = await senders.send([
    ...number.bulk(4),
    number.replies('agent', keptMs / 20),
  ])
  const first = await firstOf(number)
  await untilTime(first + 3 * keptMs)
  const reports = await sending.stop()
  const all = arrivals(await number.posts(), reports)
  expect(most(all, 60_000 * scale)).toBeLessThanOrEqual(100)
  expect(most(of('bulk', all), 60_000 * scale)).toBeLessThanOrEqual(80)
  expectUse(reports.slice(0, 4), of('bulk', all), first, 3 * keptMs, 0.97 * 3 * 80)
  expectUse(reports.slice(4), of('agent', all), first, 3 * keptMs, 0.9 * 3 * 20)
  for (const { sent } of reports) expect(sent.length).toBeGreaterThan(0)
})

test('4 campaigns at 80 a second: no second in the log holds more than 84, and they use 97 % of their part', async () => {
  await simulator.client.setSettings({ latencyMs: { min: 0, max: 30 } })
  const number = await connect({ perMinute: 60_000, perSecond: 80, scale: 1, wayMs: 30 })
  await using sending = await senders.send(number.bulk(4))
  const first = await firstOf(number)
  await untilTime(first + 7_500)
  const reports = await sending.stop()
  await simulator.client.setSettings({ latencyMs: 0 })
  const all = arrivals(await number.posts(), reports)
  expect(most(all, 1_000)).toBeLessThanOrEqual(84)
  // Two of the 80 are kept for replies. The second is kept as 1.025 s.
  const part = (78 * 6_500) / sendLimits.perSecond.windowMs
  expectUse(reports, all, first + 500, 6_500, 0.97 * part)
  for (const { sent } of reports) expect(sent.length).toBeGreaterThan(0)
})

test('processes that stand still again and again, in the middle of what they have booked: no second holds more than 84', async () => {
  const number = await connect({ perMinute: 60_000, perSecond: 80, scale: 1 })
  await using sending = await senders.send(number.bulk(4))
  const first = await firstOf(number)
  for (let round = 0; round < 12; round++) {
    const pid = sending.pids[round % 4]!
    process.kill(pid, 'SIGSTOP')
    await untilTime(first + 500 * round + 450)
    process.kill(pid, 'SIGCONT')
  }
  const reports = await sending.stop()
  const all = arrivals(await number.posts(), reports)
  expect(most(all, 1_000)).toBeLessThanOrEqual(84)
  expect(all.length).toBeGreaterThan(100)
})

/** A bot books its slots this far ahead, one that is kept for replies as soon as its second allows. */
const botAheadMs = slotHorizonMs * 0.75

/**
 * What saturates a connection, after how many POSTs it is, an agent who stays within what is kept for agents, and how long a reply
 * may have to wait that comes when a bot has booked that second already.
 */
const saturated = [
  {
    by: '4 campaigns fill their minute',
    perMinute: 100,
    bots: 0,
    after: 80,
    replies: 20,
    everyMs: 100,
    bookedMs: 0,
  },
  {
    by: '4 campaigns fill their seconds',
    perMinute: 60_000,
    bots: 0,
    after: 90,
    replies: 6,
    everyMs: 530,
    bookedMs: 0,
  },
  {
    by: '3 campaigns and a bot fill their minute',
    perMinute: 100,
    bots: 1,
    after: 95,
    replies: 5,
    everyMs: 100,
    bookedMs: 0,
  },
  {
    by: '3 campaigns and a bot fill their seconds',
    perMinute: 60_000,
    bots: 1,
    after: 90,
    replies: 4,
    everyMs: 1_050,
    bookedMs: botAheadMs,
  },
]

/**
 * The replies that an agent asked for in step, each before a bot could book the slot after the next: a quarter of a second after its
 * slot. The first came at any time. If this machine held up many, the test is run again.
 */
function inStep(replies: readonly Arrival[], everyMs: number): Arrival[] {
  const some = replies.filter(
    ({ askedAtMs }, i) => i > 0 && askedAtMs - replies[i - 1]!.slotAtMs <= everyMs + 100,
  )
  if (some.length < replies.length / 2)
    throw new Error(
      `The machine is too busy: ${some.length} of ${replies.length} replies were in step`,
    )
  return some
}

/**
 * The replies before the first slot that their agent missed: the next one is a slot more than are
 * kept for it. If that happened early, the test is run again.
 */
function beforeMiss(
  replies: readonly Arrival[],
  { sent, slotsAtMs }: Report,
  wanted: number,
): Arrival[] {
  const used = new Set(sent.map(({ slotAtMs }) => slotAtMs))
  const missed = Math.min(...slotsAtMs.filter((slot) => !used.has(slot) && slot < Date.now()))
  const some = replies.filter(({ slotAtMs }) => slotAtMs < missed).slice(0, wanted)
  if (missed < Number.POSITIVE_INFINITY && some.length < wanted / 2)
    throw new Error(`The machine is too busy: a slot was missed after ${some.length} replies`)
  if (missed === Number.POSITIVE_INFINITY) expect(some).toHaveLength(wanted)
  return some
}

/** How long the limiter made one of them wait at most. */
const longestWaitMs = (all: readonly Arrival[]) =>
  Math.max(...all.map(({ slotAtMs, answeredAtMs }) => slotAtMs - answeredAtMs))

test.each(saturated)(
  'replies first: while $by, an agent who keeps in step never has to wait',
  again,
  async (given) => {
    const number = await connect({ perMinute: given.perMinute, perSecond: 80, scale: 1 })
    const others = [
      ...number.bulk(4 - given.bots),
      ...(given.bots > 0 ? [number.replies('bot')] : []),
    ]
    await using saturating = await senders.send(others)
    const filling = given.bots > 0 ? 'bot' : 'bulk'
    await until(async () => {
      const posts = await number.posts()
      const quietMs = Date.now() - (posts.at(-1)?.atMs ?? Date.now())
      const isOver =
        quietMs > 2 * sendLimits.perSecond.windowMs && (await number.isMinuteFull(filling))
      return posts.length >= given.after || isOver
    })
    await using answering = await senders.send([number.replies('agent', given.everyMs)])
    const answers = async () =>
      (await number.posts()).filter(({ callback }) => classOf(callback!) === 'agent')
    const isAnswered = async () => (await answers()).length >= given.replies
    await until(async () => (await isAnswered()) || (await number.isMinuteFull('agent')))
    if (!(await isAnswered())) await until(isAnswered, 1_000).catch(() => undefined)
    const [reports] = await Promise.all([answering.stop(), saturating.stop()])
    const replies = beforeMiss(arrivals(await answers(), reports), reports[0]!, given.replies)
    expect(longestWaitMs(replies)).toBeLessThanOrEqual(given.bookedMs)
    expect(longestWaitMs(inStep(replies, given.everyMs))).toBeLessThanOrEqual(0)
  },
)

test('a flush of Redis lets at most twice the limit into a minute that holds it; then the limit holds again', async () => {
  const scale = 0.1
  const number = await connect({ perMinute: 100, perSecond: 10, scale, wayMs: 20 })
  await using sending = await senders.send([...number.bulk(4), number.replies('agent', 300)])
  await until(async () => (await number.posts()).length >= 60)
  await redis.flushall()
  const flushedAt = Date.now()
  await untilTime(flushedAt + 7_300)
  const reports = await sending.stop()
  const all = arrivals(await number.posts(), reports)
  const bySlotsAfter = all.filter(
    ({ atMs }) => atMs > flushedAt + slotHorizonMs * scale + slotGraceMs,
  )
  const booked = reports.flatMap(({ slotsAtMs }) => slotsAtMs)
  expect(densest(booked, 60_000 * scale), 'the flush came when it mattered').toBeGreaterThan(100)
  expect(most(all, 60_000 * scale)).toBeLessThanOrEqual(200)
  expect(most(bySlotsAfter, 60_000 * scale)).toBeLessThanOrEqual(100)
  expect(bySlotsAfter.length).toBeGreaterThan(100)
})

test(
  'Meta throttles one message: all processes halve their rate together, and have it back when Meta was quiet',
  again,
  async () => {
    const scale = 0.1 // a report counts for 3 s
    const number = await connect({ perMinute: 60_000, perSecond: 12, scale })
    await using sending = await senders.send(number.bulk(4))
    const first = await firstOf(number)
    await untilTime(first + 2_000)
    await simulator.client.setSettings({ errors: { next: [{ code: 130429, count: 1 }] } })
    const throttled = (
      await until(async () => (await number.posts()).find((post) => post.code === 130429))
    ).atMs
    await untilTime(throttled + 5_500)
    const reports = await sending.stop()
    const posts = await number.posts()
    const before = count(posts, throttled - 1_500, 1_500)
    expect(
      reports.filter(({ sent }) => sent.some(({ outcome }) => outcome === 'throttled')),
    ).toHaveLength(1)
    // If only the process that was told had slowed down, seven eighths were left.
    const allowed = (11 * 1_500) / (sendLimits.perSecond.windowMs * scale) // one of the 12 is kept for replies
    expect(count(posts, throttled + 500, 1_500) / allowed).toBeLessThan(0.6)
    expectSteady(reports, posts, throttled)
    expect(count(posts, throttled + 500, 1_500) / before).toBeGreaterThan(0.3)
    expect(count(posts, throttled + 4_000, 1_500) / before).toBeGreaterThan(0.9)
  },
)

const ask = (classes: SendClass[]) =>
  fc.record({
    class: fc.constantFrom(...classes),
    count: fc.integer({ min: 1, max: 120 }),
    pauseMs: fc.constantFrom(0, 0, 1, 2, 10, 30),
  })
const asks = fc
  .subarray<SendClass>(['agent', 'bot', 'bulk'], { minLength: 1 })
  .chain((classes) => fc.array(ask(classes), { minLength: 10, maxLength: 60 }))
/** Connections, and what of a minute and of a second bulk may have, bulk and bots together, and all. */
const tiers = fc.constantFrom(
  { perMinute: 100, perSecond: 80, minute: [80, 95, 100], second: [78, 79, 80] },
  { perMinute: 10, perSecond: 80, minute: [8, 9, 10], second: [78, 79, 80] },
  { perMinute: 400, perSecond: 4, minute: [320, 380, 400], second: [3, 3, 4] },
)

test('whatever is asked for by whom, no class gets more than its part of any minute or second, or a slot over a second ahead', async () => {
  const scale = 0.002 // a minute lasts 122 ms
  const parts: SendClass[][] = [['bulk'], ['bulk', 'bot'], ['bulk', 'bot', 'agent']]
  let run = 0
  const property = fc.asyncProperty(asks, tiers, async (calls, tier) => {
    const { perMinute, perSecond, minute, second } = tier
    const connectionId = `property-${run++}`
    const granted: { class: SendClass; atUs: number }[] = []
    for (const [i, { pauseMs, ...ask }] of calls.entries()) {
      const { nowUs, slotsUs, retryAfterMs } = await takeSlots(
        redis,
        { connectionId, perMinute, perSecond, ...ask },
        scale,
        String(i),
      )
      expect(slotsUs.length < ask.count).toBe(retryAfterMs !== null)
      for (const atUs of slotsUs) {
        expect(atUs).toBeGreaterThanOrEqual(nowUs)
        expect(atUs).toBeLessThanOrEqual(nowUs + slotHorizonMs * scale * 1_000)
        granted.push({ class: ask.class, atUs })
      }
      if (pauseMs > 0) await delay(pauseMs)
    }
    for (const [i, part] of parts.entries()) {
      const slots = granted.filter((slot) => part.includes(slot.class)).map(({ atUs }) => atUs)
      expect(densest(slots, 60_000_000 * scale)).toBeLessThanOrEqual(minute[i]!)
      expect(densest(slots, 1_000_000 * scale)).toBeLessThanOrEqual(second[i]!)
    }
  })
  await fc.assert(property, { numRuns: 25, endOnFailure: true })
})
