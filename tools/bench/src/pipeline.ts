import type { ChildProcess } from 'node:child_process'
import { until } from '@lockstep/testing'
import type { Bench, BenchContext } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter, meterBench, meterProcesses, totalOf } from './cpu.ts'
import { connections, post, startProcess } from './load.ts'
import { type Comparison, compare, figure, type Round } from './measure.ts'
import { group, writeRows } from './pipeline-floor.ts'
import { type SeededNumber, seedNumbers, seedTenants } from './seed.ts'
import { type BenchSystem, openSystem } from './system.ts'
import { openWatcher, type Watcher } from './watcher.ts'
import { type Element, type Kind, makeElements, webhooksOf } from './webhook-stream.ts'

/** All that a webhook goes through. */
export const pipelineServices = [
  'accounts',
  'templates',
  'contacts',
  'campaigns',
  'conversations',
  'webhook-gateway',
  'events',
] as const
const kinds: readonly Kind[] = ['messages', 'statuses']
/** Microseconds of CPU of the whole system for one element of one busy number. */
const reachUs = { messages: 450, statuses: 390 } as const
const reachThin = 1.5

interface Tools {
  ctx: BenchContext
  system: BenchSystem
  load: ChildProcess
  floor: Watcher
}

interface Case {
  kind: Kind
  numbers: number
  comparison: Comparison
}

/** Messages and statuses from POST to committed effect over few and many numbers, beside the writing of the same rows. */
export const run: Bench = async (ctx) => {
  const counts = ctx.sizes.numbers ?? (ctx.quick ? [1, 20] : [1, 50, 1_000])
  await using stack = new AsyncDisposableStack()
  const sets: SeededNumber[][] = []
  const system = stack.use(
    await openSystem(ctx, pipelineServices, async ({ world }) => {
      for (const [i, count] of counts.entries()) {
        const tenants = await seedTenants(world, Math.min(count, 10))
        sets.push(await seedNumbers(world, tenants, count, 70_000_000 + i * 100_000))
      }
    }),
  )
  const { child: load } = stack.use(await startProcess(ctx, './load-process.ts'))
  const tools: Tools = {
    ctx,
    system,
    load,
    floor: stack.use(await openWatcher(system.world.adminUrl)),
  }
  const cases: Case[] = []
  // Few numbers first: what a case leaves behind must not count into those that the others are compared with.
  for (const set of sets)
    for (const kind of kinds)
      cases.push({ kind, numbers: set.length, comparison: await against(tools, set, kind) })
  const halfLoad = await atHalfLoad(tools, sets[0]!, cases[0]!.comparison.work.perSecond / 2)
  const comparisons = cases.map(({ comparison }) => comparison)
  return {
    size: `${comparisons[0]!.rounds} rounds of ${comparisons[0]!.operations.toLocaleString('en-US')} elements in POSTs of one, every tenth sent twice, ${connections} connections; PostgreSQL with fsync`,
    comparisons,
    growth: [],
    figures: Object.fromEntries(
      thin(cases).map(({ kind, numbers, ratio }) => [`thinByOne.${kind}.${numbers}`, ratio]),
    ),
    checks: [
      ...cases.flatMap(cheapEnough),
      ...thin(cases).map(thinEnough),
      halfLoad,
      ...(await everyRowOnce(tools)),
      await idleAfter(system.meter),
    ],
  }
}

async function against(
  tools: Tools,
  numbers: readonly SeededNumber[],
  kind: Kind,
): Promise<Comparison> {
  const { ctx, system, floor } = tools
  const what = `${kind}, ${numbers.length === 1 ? 'one number' : `${numbers.length.toLocaleString('en-US')} numbers`}`
  ctx.say(what)
  let elements: Element[] = []
  const prepare = async (operations: number) => {
    elements = await makeElements(system, numbers, kind, operations)
  }
  return compare({
    what,
    work: { name: 'system', prepare, run: () => throughSystem(tools, elements, kind) },
    floor: {
      name: `the rows by the best SQL, ${group} a statement`,
      // The bench is the program here; the connection that looks on is idle.
      meter: meterProcesses(() => [{ ...meterBench, name: 'client' }, system.postgres]),
      prepare,
      run: () => writeRows(floor, elements),
    },
    meter: system.meter,
    rounds: ctx.quick ? 1 : 2,
    roundMs: 0,
    operations: ctx.sizes.operations ?? (ctx.quick ? 400 : 3_000),
  })
}

interface Effect {
  wamid: string
  /** When its transaction committed, ms since 1970 on PostgreSQL's clock, which is this machine's. */
  ms: number
}

/** Posts elements and waits until each is a row, or throws; PostgreSQL says when each was committed. */
export async function throughSystem(
  { system, load }: Pick<Tools, 'system' | 'load'>,
  elements: readonly Element[],
  kind: Kind,
  perSecond?: number,
): Promise<Round> {
  const webhooks = webhooksOf(system, elements, 1)
  const pace = perSecond === undefined ? {} : { perSecond }
  const bodies = webhooks.map(({ raw, headers, path }) => ({ raw, headers, path }))
  const url = `http://127.0.0.1:${system.ports['webhook-gateway'].http}`
  const target = (await progress(system, kind)) + elements.length
  const { answered, startedAtMs } = await post(load, {
    url,
    bodies,
    posts: bodies.length,
    connections,
    ...pace,
  })
  if (answered < bodies.length)
    throw new Error(`Only ${answered} of ${bodies.length} webhooks were answered 200`)
  await until(async () => {
    const now = await progress(system, kind)
    if (now < target)
      throw new Error(
        `${target - now} of ${elements.length} ${kind} are not committed yet${await outcomes(system)}`,
      )
    return true
  }, 120_000)
  const effects = await system.watcher.sql<Effect>(effectsOf[kind], [
    elements.map(({ wamid }) => wamid),
  ])
  if (effects.length !== elements.length)
    throw new Error(`${effects.length} rows for ${elements.length} ${kind}`)
  const sentAtMs = new Map<string, number>()
  for (const [i, { wamids }] of webhooks.entries())
    for (const wamid of wamids) if (!sentAtMs.has(wamid)) sentAtMs.set(wamid, startedAtMs[i]!)
  return {
    operations: effects.length,
    elapsedMs: effects.reduce((last, { ms }) => Math.max(last, ms), 0) - startedAtMs[0]!,
    latenciesMs: effects.map(({ wamid, ms }) => ms - sentAtMs.get(wamid)!),
  }
}

/** What became of the webhooks so far, for the one who must find out why some have no effect. */
async function outcomes({ clients }: BenchSystem): Promise<string> {
  const { counts } = await clients.webhookGateway.countParts({}, {})
  return `; parts of webhooks: ${counts.map(({ outcome, parts }) => `${parts} ${outcome}`).join(', ')}`
}

/** How many effects the small tables show; counting the rows themselves again and again would be work of its own. */
async function progress({ watcher }: BenchSystem, kind: Kind): Promise<number> {
  const sums = {
    messages:
      'select coalesce(sum(unread), 0)::integer as effects from conversations.conversations',
    statuses:
      'select coalesce(sum(sent), 0)::integer as effects from campaigns.campaign_statistics',
  }
  return (await watcher.sql<{ effects: number }>(sums[kind]))[0]!.effects
}

const committed = 'wamid, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as ms'
const effectsOf = {
  messages: `select ${committed} from conversations.messages where wamid = any($1)`,
  statuses: `select ${committed} from campaigns.attempts where wamid = any($1) and coalesce(sent_at, delivered_at, read_at) is not null`,
}

/** What was counted is what there is: no element is lost, none counted twice. */
async function everyRowOnce({ system: { watcher } }: Tools): Promise<Check[]> {
  const counts = {
    messages: `select (select count(*) from conversations.messages)::integer as rows,
      (select sum(unread) from conversations.conversations)::integer as counted`,
    statuses: `select (select count(*) from campaigns.attempts where coalesce(sent_at, delivered_at, read_at) is not null)::integer as rows,
      (select sum(sent) from campaigns.campaign_statistics)::integer as counted`,
  }
  const checks = kinds.map(async (kind) => {
    const { rows, counted } = (
      await watcher.sql<{ rows: number; counted: number }>(counts[kind])
    )[0]!
    const found = `${rows.toLocaleString('en-US')} rows, ${counted.toLocaleString('en-US')} counted`
    return {
      what: `${kind}: each is one row and counted once`,
      found,
      reach: 'the same',
      ok: rows === counted,
    }
  })
  return Promise.all(checks)
}

function cheapEnough({ kind, numbers, comparison }: Case): Check[] {
  if (numbers > 1) return []
  const us = totalOf(comparison.work.cpu)
  return [
    {
      what: `CPU, ${comparison.what}`,
      found: `${us.toFixed(0)} µs`,
      reach: `≤ ${reachUs[kind]} µs`,
      ok: us <= reachUs[kind],
    },
  ]
}

/** CPU of an element over many numbers by that over one. */
function thin(cases: readonly Case[]): { kind: Kind; numbers: number; ratio: number }[] {
  const us = (each: Case | undefined) => totalOf(each?.comparison.work.cpu ?? {})
  return cases
    .filter(({ numbers }) => numbers > 1)
    .map((many) => ({
      ...many,
      ratio: us(many) / us(cases.find(({ kind, numbers }) => kind === many.kind && numbers === 1)),
    }))
}

function thinEnough({ kind, numbers, ratio }: ReturnType<typeof thin>[number]): Check {
  const what = `thinByOne, ${kind}: CPU over ${numbers.toLocaleString('en-US')} numbers by that over one`
  return { what, found: ratio.toFixed(2), reach: `≤ ${reachThin}`, ok: ratio <= reachThin }
}

async function atHalfLoad(
  tools: Tools,
  numbers: readonly SeededNumber[],
  perSecond: number,
): Promise<Check> {
  tools.ctx.say(`half load: ${perSecond.toFixed(0)} messages a second`)
  const elements = await makeElements(
    tools.system,
    numbers,
    'messages',
    Math.ceil(perSecond * (tools.ctx.quick ? 1 : 4)),
  )
  const { p50Ms, p99Ms } = figure('', [await throughSystem(tools, elements, 'messages', perSecond)])
  return {
    what: `median and p99 from POST to commit at half load, one number, ${perSecond.toFixed(0)} messages a second`,
    found: `${p50Ms.toFixed(0)} ms, ${p99Ms.toFixed(0)} ms`,
    reach: 'p99 ≤ 1 s',
    ok: p99Ms <= 1_000,
  }
}
