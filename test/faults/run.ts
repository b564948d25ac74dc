import { rm } from 'node:fs/promises'
import path from 'node:path'
import { type AuditReport, audit } from '@lockstep/audit'
import type { ServiceName } from '@lockstep/contracts'
import { openRedis, untilReady } from '@lockstep/locks'
import type { SettingsPatch } from '@lockstep/meta-simulator'
import { type TestServers, until } from '@lockstep/testing'
import { type ServiceProcess, spawnService } from '../../tools/dev/services.ts'
import { phones, startStack, type Tenant, type TestStack } from '../stack.ts'

/** What was done to the system, and what it did meanwhile; the numbers of the report. */
export interface Tally {
  posts: number
  webhooks: number
  kills: number
  stops: number
  restarts: number
  losses: number
  orders: number
  webhooksRetried: number
  unknownsResolved: number
  unknownsOrdered: number
}

/** One run of a scenario: a system whose services are processes that can be killed, and dice that a seed repeats. */
export interface FaultRun extends AsyncDisposable {
  stack: TestStack
  tenant: Tenant
  tally: Tally
  /** What happened, in order, for the one who must understand a violation. */
  history: string[]
  /** A whole number from `min` to `max`. */
  dice(min: number, max: number): number
  pick<T>(from: readonly T[]): T
  note(what: string): void
  /** Kills a service's process and starts it again. */
  killAndRestart(service: ServiceName): Promise<void>
  /** SIGTERM, and a new process once the old one has ended; throws unless it ended with 0. */
  roll(service: ServiceName): Promise<void>
  /** SIGSTOP, `work`, SIGCONT. */
  freeze(service: ServiceName, work: () => Promise<void>): Promise<void>
  /** A further process of a service, beside the one that the others call. */
  addWorker(service: ServiceName): Promise<void>
  deleteNatsStore(): Promise<void>
  flushRedis(): Promise<void>
  restartRedis(): Promise<void>
  /** Every connection to PostgreSQL is cut, as its restart in immediate mode cuts them. */
  cutPostgres(): Promise<void>
  /** Imports so many contacts under a tag and starts a campaign to them. */
  startCampaign(recipients: number): Promise<string>
  accepted(campaignId: string): Promise<number>
  /** Waits for the campaign's end and for all webhooks; then no invariant may be broken. */
  finish(campaignId: string, options?: { state?: string; redisWasFlushed?: boolean }): Promise<void>
}

export interface FaultOptions {
  seed: number
  /** Services that run as processes of their own; the others run in this one. */
  processes: readonly ServiceName[]
  simulator?: SettingsPatch
  servers?: TestServers
}

const scale = 0.2
const allServices = ['accounts', 'webhook-gateway', 'contacts', 'templates', 'campaigns', 'conversations'] as const

/** Numbers from a seed: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export async function startFaultRun({ seed, processes, simulator, servers }: FaultOptions): Promise<FaultRun> {
  await using up = new AsyncDisposableStack()
  const inProcess = allServices.filter((service) => !processes.includes(service))
  const stack = up.use(
    await startStack({ services: inProcess, scale, servers, simulator: { seed, latencyMs: { min: 2, max: 20 }, ...simulator } }),
  )
  const running = new Map<ServiceName, ServiceProcess>()
  const further: ServiceProcess[] = []
  const logDir = path.join(stack.world.nats.dir, '..', 'logs')
  const start = async (service: ServiceName) => {
    const child = await spawn(service)
    await answers(stack, service)
    return child
  }
  const spawn = (service: ServiceName) =>
    spawnService(service, stack.ports, stack.surroundings, logDir, [
      path.join(import.meta.dirname, 'service-process.ts'),
      service,
      String(scale),
    ])
  up.defer(async () => void (await Promise.all([...running.values(), ...further].map((child) => child.stop()))))
  await Promise.all(processes.map(async (service) => running.set(service, await start(service))))
  const tenant = await stack.addTenant()

  const random = randomFrom(seed)
  const dice = (min: number, max: number) => min + Math.floor(random() * (max - min + 1))
  const tally: Tally = {
    posts: 0,
    webhooks: 0,
    kills: 0,
    stops: 0,
    restarts: 0,
    losses: 0,
    orders: 0,
    webhooksRetried: 0,
    unknownsResolved: 0,
    unknownsOrdered: 0,
  }
  const history: string[] = []
  const startedAt = performance.now()
  const note = (what: string) => void history.push(`${((performance.now() - startedAt) / 1000).toFixed(1)} s  ${what}`)
  const restart = async (service: ServiceName) => {
    running.set(service, await start(service))
    tally.restarts++
  }
  const accepted = async (campaignId: string) => (await stack.simulator.client.accepted({ callbackPrefix: `lk1.c.${campaignId}.` })).length
  const opened = up.move()

  return {
    stack,
    tenant,
    tally,
    history,
    dice,
    pick: (from) => from[dice(0, from.length - 1)]!,
    note,
    accepted,
    async killAndRestart(service) {
      note(`SIGKILL to ${service}`)
      await running.get(service)!.stop('SIGKILL')
      tally.kills++
      await restart(service)
    },
    async roll(service) {
      note(`SIGTERM to ${service}`)
      const code = await running.get(service)!.stop('SIGTERM')
      if (code !== 0) throw new Error(`${service} ended with ${code} after SIGTERM`)
      await restart(service)
    },
    async freeze(service, work) {
      const { pid } = running.get(service)!
      note(`SIGSTOP to ${service}`)
      process.kill(pid, 'SIGSTOP')
      tally.stops++
      try {
        await work()
      } finally {
        process.kill(pid, 'SIGCONT')
        note(`SIGCONT to ${service}`)
      }
    },
    async addWorker(service) {
      further.push(await stack.spawn(service))
    },
    async deleteNatsStore() {
      note('NATS: killed, its store deleted, started again')
      const { nats } = stack.world
      await nats.kill()
      await rm(path.join(nats.dir, 'nats'), { recursive: true, force: true })
      await nats.restart()
      tally.losses++
    },
    async flushRedis() {
      note('Redis: FLUSHALL')
      const redis = openRedis(stack.world.redis.url)
      try {
        await untilReady(redis, 5_000)
        await redis.flushall()
      } finally {
        redis.disconnect()
      }
      tally.losses++
    },
    async restartRedis() {
      note('Redis: killed and started again')
      await stack.world.redis.kill()
      await stack.world.redis.restart()
      tally.losses++
    },
    async cutPostgres() {
      note('PostgreSQL: all connections cut')
      await stack.world.killBackends()
      tally.losses++
    },
    async startCampaign(recipients) {
      await stack.importContacts(tenant, phones(recipients, dice(0, 5_000_000)))
      const { id } = await stack.startCampaign(tenant)
      note(`campaign to ${recipients} started`)
      return id
    },
    async finish(campaignId, { state = 'completed', redisWasFlushed = false } = {}) {
      const { statistics } = await stack.untilCampaign(tenant, campaignId, state, 120_000)
      const unknownAtFirst = statistics!.unknown
      await stack.settled(60_000)
      const after = (await stack.campaign(tenant, campaignId)).statistics!
      note(`${state}: ${JSON.stringify(after)}`)
      // The simulator counts since its start.
      tally.unknownsResolved += Math.max(0, unknownAtFirst - after.unknown)
      const summary = await stack.simulator.client.summary()
      tally.posts = summary.posts
      tally.webhooks = summary.webhooks.delivered
      tally.webhooksRetried = summary.webhooks.retries
      const report = await audit({ adminUrl: stack.world.adminUrl, simulatorLog: stack.simulatorLog, settled: true, redisWasFlushed })
      assertClean(report)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Waits until our own client reaches a new process: after its predecessor's end it tries again in its own time. */
async function answers({ clients }: TestStack, service: ServiceName): Promise<void> {
  const call = { accountId: '00000000-0000-7000-8000-000000000000' }
  const ask: Partial<Record<ServiceName, () => Promise<unknown>>> = {
    accounts: () => clients.accounts.listConnections({}, call),
    contacts: () => clients.contacts.checkSendable({ contactIds: [] }, call),
    templates: () => clients.templates.listTemplates({}, call),
    campaigns: () => clients.campaigns.listCampaigns({}, call),
    conversations: () => clients.conversations.listConversations({}, call),
    'webhook-gateway': () => clients.gateway.countParts({}, call),
  }
  await until(async () => Boolean(await ask[service]!()), 30_000)
}

/** Throws naming each broken invariant with its first rows. Rate windows are scaled in these runs, so that I8 can't be judged. */
export function assertClean(report: AuditReport): void {
  const broken = report.invariants.filter((invariant) => invariant.violations > 0 && invariant.id !== 'I8')
  if (broken.length === 0) return
  throw new Error(
    broken.map((b) => `${b.id} is broken ${b.violations} times: ${b.statement} ${JSON.stringify(b.rows.slice(0, 3))}`).join('\n'),
  )
}

/** Waits until a number has passed a mark. */
export async function untilAtLeast(read: () => Promise<number>, mark: number, timeoutMs = 60_000): Promise<number> {
  return until(async () => {
    const value = await read()
    if (value < mark) throw new Error(`${value} is less than ${mark}`)
    return value
  }, timeoutMs)
}
