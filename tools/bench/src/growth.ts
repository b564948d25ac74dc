import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ServiceName, services } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { phones, type Tenant, type TestSystem } from '@lockstep/testing/system'
import type { Bench } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter } from './cpu.ts'
import { type GrownCall, grownCalls } from './growth-calls.ts'
import { type Grown, grownSizes, seedGrown } from './growth-seed.ts'
import { openSweeps } from './growth-sweeps.ts'
import { percentile } from './measure.ts'
import { logStatements, openStatementLog, type StatementLog } from './statement-log.ts'
import { openSystem } from './system.ts'

const mostMs = 50
/** The timers that come every few seconds have come several times by then. */
const timersMs = 20_000
const schemas: readonly string[] = services.map((service: ServiceName) =>
  service.replaceAll('-', '_'),
)

interface Timed {
  name: string
  times: number[]
}

/** Every list, sweep and hot query at a hundred times today's rows, by the calls of the services and by the statements behind them. */
export const run: Bench = async (ctx) => {
  const sizes = grownSizes(ctx.sizes.share ?? (ctx.quick ? 0.01 : 1))
  await using stack = new AsyncDisposableStack()
  const names = services.filter((service) => service !== 'api')
  const system = stack.use(await openSystem(ctx, names, async () => undefined))
  const tenant = await system.addTenant()
  const grown = await seedGrown(system, tenant, sizes, (what) => ctx.say(`seeding ${what}`))
  await logStatements(system.watcher)
  await system.world.killBackends() // sessions that began before write nothing down
  await until(() => system.clients.campaigns.getCampaign({ id: grown.endedId }, tenant))
  const log = await openStatementLog(
    path.join(ctx.dir, 'postgres.log'),
    new URL(system.world.adminUrl).pathname.slice(1),
  )

  ctx.say('calls')
  const calls: Timed[] = []
  for (const call of grownCalls(system.clients, tenant, grown))
    calls.push(await timed(call, ctx.quick ? 3 : 30))
  const { sweeps } = stack.use(await openSweeps(system.world))
  for (const sweep of sweeps) calls.push(await timed(sweep, ctx.quick ? 3 : 30))
  ctx.say('a campaign, and one of many recipients')
  await sendSome(system, tenant, grown)
  ctx.say('timers')
  await delay(ctx.quick ? 5_000 : timersMs)
  const statements = await statementsOf(log)
  const shown = statements.filter((statement) => p99(statement) > mostMs / 10).slice(0, 60)
  return {
    size: Object.entries(sizes)
      .map(([what, rows]) => `${rows.toLocaleString('en-US')} ${what}`)
      .join(', '),
    comparisons: [],
    growth: [],
    checks: [
      ...checksOf('calls', calls),
      ...checksOf('statements', statements),
      await idleAfter(system.meter),
    ],
    tables: [tableOf('call', calls), tableOf(`statement (those over ${mostMs / 10} ms)`, shown)],
    figures: Object.fromEntries(calls.map((call) => [`${call.name}, p99 ms`, p99(call)])),
  }
}

async function timed({ name, run }: GrownCall, count: number): Promise<Timed> {
  const times: number[] = []
  for (let i = 0; i <= count; i++) {
    const from = performance.now()
    try {
      await run(i)
    } catch (error) {
      return {
        name: `${name}: ${(error as Error).message.slice(0, 80)}`,
        times: [Number.POSITIVE_INFINITY],
      }
    }
    if (i > 0) times.push(performance.now() - from) // the first one reads from disk what the others find in memory
  }
  return { name, times: times.sort((a, b) => a - b) }
}

/** A small campaign from import to replies, and the one of many recipients for a while, so that what sending asks is asked. */
async function sendSome(
  system: TestSystem,
  tenant: Tenant,
  { campaignId: id }: Grown,
): Promise<void> {
  const { campaigns } = system.clients
  await system.importContacts(tenant, phones(500, 9_000_000), 'few')
  const few = await system.startCampaign(tenant, 'few')
  await system.simulator.client.setSettings({ webhooks: { paused: false } })
  await system.untilCampaign(tenant, few.id, 'completed', 60_000)
  await campaigns.resumeCampaign({ id }, tenant)
  const accepted = async () => (await system.campaign(tenant, id)).statistics!.accepted
  await until(async () => (await accepted()) >= 1_000, 120_000)
  await campaigns.pauseCampaign({ id }, tenant)
}

/** The services' own statements, slowest first; inside functions each counts for itself. */
async function statementsOf(log: StatementLog): Promise<Timed[]> {
  const byText = new Map<string, number[]>()
  await log.read(({ role, text, ms }) => {
    if (!schemas.includes(role)) return
    const name = `${role}: ${text.slice(0, 160)}`
    const times = byText.get(name)
    if (times) times.push(ms)
    else byText.set(name, [ms])
  })
  const all = [...byText].map(([name, times]) => ({ name, times: times.sort((a, b) => a - b) }))
  return all.sort((a, b) => p99(b) - p99(a))
}

const p99 = ({ times }: Timed): number => percentile(times, 0.99)

function tableOf(what: string, all: readonly Timed[]): { titles: string[]; rows: string[][] } {
  const rows = all.map((each) => [
    each.name,
    String(each.times.length),
    percentile(each.times, 0.5).toFixed(1),
    p99(each).toFixed(1),
    p99(each) > mostMs ? '**over**' : '',
  ])
  return { titles: [what, 'times', 'p50 ms', 'p99 ms', ''], rows }
}

function checksOf(what: string, all: readonly Timed[]): Check[] {
  const over = all.filter((each) => p99(each) > mostMs)
  return [
    {
      what: `${what} whose p99 is over ${mostMs} ms`,
      found: `${over.length} of ${all.length}`,
      reach: 'none',
      ok: over.length === 0,
    },
  ]
}
