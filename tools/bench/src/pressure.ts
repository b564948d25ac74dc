import type { ChildProcess } from 'node:child_process'
import type { Tenant } from '@lockstep/testing/system'
import type { Bench, BenchContext } from './bench.ts'
import { startBusy } from './busy.ts'
import type { Check } from './check.ts'
import { idleAfter, totalOf } from './cpu.ts'
import { bodyOf, contender as intakeOf } from './intake.ts'
import { startProcess } from './load.ts'
import { type Comparison, type Contender, compare } from './measure.ts'
import { pipelineServices, throughSystem } from './pipeline.ts'
import { type SeededNumber, seedNumbers, seedTenants } from './seed.ts'
import { campaigns, liftLimits } from './send.ts'
import { type BenchSystem, openSystem } from './system.ts'
import { type Element, makeElements, signed } from './webhook-stream.ts'

const mostACore = 4
const reachCpu = 1.3
const reachWakeUps = 1.5

/** What a system costs, wastes and leaves behind while 2 and 4 busy processes a core want the CPU, beside itself alone. */
export const run: Bench = async (ctx) => {
  const parts = [await intake(ctx), await messagesAndCampaigns(ctx)]
  const comparisons = parts.flatMap((part) => part.comparisons)
  return {
    size: comparisons
      .map(
        ({ what, rounds, operations }) =>
          `${rounds} rounds of ${operations.toLocaleString('en-US')} ${what}`,
      )
      .join(', '),
    comparisons,
    growth: [],
    checks: [...comparisons.map(cheapEnough), ...parts.flatMap((part) => part.checks)],
  }
}

interface Part {
  comparisons: Comparison[]
  checks: Check[]
}

/** The gateway without those who handle what it keeps. */
async function intake(ctx: BenchContext): Promise<Part> {
  await using up = new AsyncDisposableStack()
  let number!: SeededNumber
  const system = up.use(
    await openSystem(ctx, ['accounts', 'webhook-gateway'], async (stack) => {
      number = await seedNumber(stack)
    }),
  )
  const { child } = up.use(await startProcess(ctx, './load-process.ts'))
  const { appId, appSecret } = number.tenant
  const raw = bodyOf(number, 1)
  const url = `http://127.0.0.1:${system.ports['webhook-gateway'].http}/webhooks/${appId}`
  const work = intakeOf('', child, url, [{ raw, headers: signed(appSecret, raw) }])
  return { comparisons: [await beside(ctx, system, 'POSTs answered 200', work, 4_000)], checks: [] }
}

async function messagesAndCampaigns(ctx: BenchContext): Promise<Part> {
  await using up = new AsyncDisposableStack()
  let number!: SeededNumber
  const system = up.use(
    await openSystem(ctx, pipelineServices, async (stack) => {
      number = await seedNumber(stack)
    }),
  )
  const tenant = await system.addTenant()
  await liftLimits(system)
  const { child } = up.use(await startProcess(ctx, './load-process.ts'))
  const messages = messagesOf(system, number, child)
  const campaign = { name: '', ...campaigns(ctx, system, tenant, { atOnce: 1, share: 1 }) }
  const comparisons = [
    await beside(ctx, system, 'messages from POST to row', messages, 2_000),
    await beside(ctx, system, 'campaign messages', campaign, 2_000),
  ]
  return {
    comparisons,
    checks: [...(await afterwards(system, messages)), await nothingBurnt(system, tenant)],
  }
}

async function seedNumber({
  world,
}: Parameters<NonNullable<Parameters<typeof openSystem>[2]>>[0]): Promise<SeededNumber> {
  const tenants = await seedTenants(world, 1)
  return (await seedNumbers(world, tenants, 1, 60_000_000))[0]!
}

function messagesOf(system: BenchSystem, number: SeededNumber, load: ChildProcess): Contender {
  let elements: Element[] = []
  return {
    name: '',
    async prepare(operations) {
      elements = await makeElements(system, [number], 'messages', operations)
    },
    run: () => throughSystem({ system, load }, elements, 'messages'),
  }
}

function beside(
  ctx: BenchContext,
  { meter }: BenchSystem,
  what: string,
  work: Contender,
  operations: number,
): Promise<Comparison> {
  ctx.say(what)
  return compare({
    what: `${what}, ${mostACore} busy processes a core`,
    work: under(mostACore, work),
    floor: { ...work, name: 'alone' },
    others: [{ ...under(2, work), name: '2 busy processes a core' }],
    meter,
    rounds: ctx.quick ? 1 : 3,
    roundMs: 0,
    operations: ctx.sizes.operations ?? (ctx.quick ? 400 : operations),
  })
}

function under(aCore: number, work: Contender): Contender {
  return {
    ...work,
    async run(operations) {
      using _busy = startBusy(aCore)
      return work.run(operations)
    },
  }
}

function cheapEnough({ what, work, floor }: Comparison): Check {
  const ratio = totalOf(work.cpu) / totalOf(floor.cpu)
  return {
    what: `CPU by that alone: ${what}`,
    found: `${ratio.toFixed(2)} ×`,
    reach: `≤ ${reachCpu} ×`,
    ok: ratio <= reachCpu,
  }
}

/** One more round under pressure: wake-ups by sets, and whether it is idle a second after its last effect. */
async function afterwards(system: BenchSystem, messages: Contender): Promise<Check[]> {
  using _busy = startBusy(mostACore)
  const before = await lanesOf(system)
  await messages.prepare?.(1_000)
  await messages.run(1_000)
  const after = await lanesOf(system)
  const wakeUps = (after.wakeUps - before.wakeUps) / (after.sets - before.sets)
  return [
    {
      what: 'wake-ups a set of messages',
      found: wakeUps.toFixed(2),
      reach: `≤ ${reachWakeUps}`,
      ok: wakeUps <= reachWakeUps,
    },
    await idleAfter(system.meter, 1, `, ${mostACore} busy processes a core`),
  ]
}

/** WakeUps that were stored and sets that were handled so far, as the services count them. */
async function lanesOf({ ports }: BenchSystem): Promise<{ wakeUps: number; sets: number }> {
  const pages = await Promise.all(
    pipelineServices.map(async (service) =>
      (await fetch(`http://127.0.0.1:${ports[service].health}/metrics`)).text(),
    ),
  )
  const sum = (name: string) =>
    pages
      .flatMap((page) => page.split('\n'))
      .filter((line) => line.startsWith(`${name}{`))
      .reduce(
        (total, line) =>
          total +
          Number(
            line
              .slice(line.lastIndexOf('}') + 1)
              .trim()
              .split(' ')[0],
          ),
        0,
      )
  return {
    wakeUps: sum('lockstep_lane_wakeups_total'),
    sets: sum('lockstep_lane_run_seconds_count'),
  }
}

async function nothingBurnt({ watcher }: BenchSystem, { accountId }: Tenant): Promise<Check> {
  const [row] = await watcher.sql<{ attempts: number; burnt: number }>(
    `select count(*)::int as attempts, count(*) filter (where outcome <> 'accepted' or number > 1)::int as burnt
     from campaigns.attempts where account_id = $1`,
    [accountId],
  )
  const { attempts, burnt } = row!
  return {
    what: 'attempts without effect',
    found: `${burnt} of ${attempts.toLocaleString('en-US')}`,
    reach: 'none',
    ok: burnt === 0,
  }
}
