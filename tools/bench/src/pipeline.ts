import type { ChildProcess } from 'node:child_process'
import { until } from '@lockstep/testing'
import type { Tenant, TestStack } from '../../../test/stack.ts'
import type { Bench, BenchContext, Check } from './bench.ts'
import { connections, post, startProcess } from './load.ts'
import { type Comparison, compare, figure, type Round } from './measure.ts'
import { type Groups, openRowWriter, type RowWriter } from './pipeline-floor.ts'
import { openSystem } from './system.ts'
import { type BenchNumber, connectNumbers, makeStreams, perMessage, type Stream, webhooksOf } from './webhook-stream.ts'

const names = ['accounts', 'templates', 'contacts', 'campaigns', 'conversations', 'webhook-gateway'] as const

interface Tools {
  ctx: BenchContext
  system: TestStack
  tenant: Tenant
  load: ChildProcess
  rows: RowWriter
}

/** Messages and statuses from POST to committed effect, each service in a process of its own, beside the writing of the same rows. */
export const run: Bench = async (ctx) => {
  await using up = new AsyncDisposableStack()
  const system = up.use(await openSystem(ctx, names))
  const tenant = await system.addTenant()
  const { child: load } = up.use(await startProcess(ctx, './load-process.ts'))
  const rows = up.use(await openRowWriter(system, tenant))
  const tools: Tools = { ctx, system, tenant, load, rows }
  const [one = [], many = []] = [await connectNumbers(system, tenant, 1, 70_000_000), await connectNumbers(system, tenant, 50, 70_000_100)]
  const batched = await against(tools, one, 50)
  const halfLoad = await atHalfLoad(tools, one, batched.work.perSecond / 2) // at once, while the machine is as it was
  const comparisons = [batched, await against(tools, one, 1), await against(tools, many, 1)]
  return {
    size: `${batched.rounds} rounds of ${comparisons.map((each) => whole(each.operations)).join(', ')} elements; PostgreSQL with fsync`,
    comparisons,
    growth: [],
    checks: [...comparisons.slice(0, 2).map(fastEnough), halfLoad],
  }
}

async function against(tools: Tools, numbers: readonly BenchNumber[], elements: number): Promise<Comparison> {
  const { ctx, system, rows } = tools
  const what = `${numbers.length === 1 ? 'one number' : `${numbers.length} numbers`}, ${elements} ${elements === 1 ? 'element' : 'elements'} a POST`
  ctx.say(what)
  let groups: Groups = { messages: 1, statuses: 1 }
  return compare({
    what,
    work: {
      name: 'pipeline',
      async run(operations) {
        const round = await throughSystem(tools, await streamsOf(operations), elements)
        groups = round.groups
        return round
      },
    },
    floor: {
      // The groups are known when all is over, and so is the name.
      get name() {
        return `the same rows by the same SQL, ${groups.messages} messages or ${groups.statuses} statuses a transaction`
      },
      run: async (operations) => rows.write(await streamsOf(operations), groups),
    },
    reach: 0.3,
    rounds: ctx.quick ? 1 : 3,
    roundMs: ctx.quick ? 300 : 1_000,
    least: ctx.quick ? 400 : numbers.length > 1 ? 2_000 : 1_000,
  })

  function streamsOf(operations: number): Promise<Stream[]> {
    const whole = elements * perMessage // of one number: whole bodies, each message with its statuses
    return makeStreams(system, numbers, Math.ceil(operations / numbers.length / whole) * whole)
  }
}

interface Effect {
  wamid: string
  /** When its transaction committed, ms since 1970 on PostgreSQL's clock, which is this machine's. */
  ms: number
  transaction: string
}

/** Posts the streams and waits until each element is a row, or throws; PostgreSQL says when each was committed, and by which transaction. */
async function throughSystem(
  tools: Tools,
  streams: readonly Stream[],
  elements: number,
  perSecond?: number,
): Promise<Round & { groups: Groups }> {
  const { system, tenant, load } = tools
  const webhooks = webhooksOf(system, tenant, streams, elements)
  const pace = perSecond === undefined ? {} : { perSecond }
  const bodies = webhooks.map(({ raw, headers }) => ({ raw, headers }))
  const { answered, startedAtMs } = await post(load, { url: system.webhookUrl(tenant), bodies, posts: bodies.length, connections, ...pace })
  if (answered < bodies.length) throw new Error(`Only ${answered} of ${bodies.length} webhooks were answered 200`)
  const messages = await committed(
    tools,
    streams.flatMap(({ inbound }) => inbound),
    inboundRows,
  )
  const statuses = await committed(
    tools,
    streams.flatMap(({ attempts }) => attempts.map(({ wamid }) => wamid)),
    statusRows,
  )
  const sentAtMs = new Map(webhooks.flatMap(({ wamids }, i) => wamids.map((wamid) => [wamid, startedAtMs[i]!] as const)))
  const effects = [...messages, ...statuses]
  return {
    operations: effects.length,
    elapsedMs: Math.max(...[messages, statuses].map((all) => all.reduce((last, { ms }) => Math.max(last, ms), 0))) - startedAtMs[0]!,
    latenciesMs: effects.map(({ wamid, ms }) => ms - sentAtMs.get(wamid)!),
    groups: { messages: rowsATransaction(messages), statuses: rowsATransaction(statuses) },
  }
}

const effect = 'wamid, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as ms, xmin::text as transaction'
const inboundRows = `select ${effect} from conversations.messages where wamid = any($1)`
const statusRows = `select ${effect} from campaigns.attempts where wamid = any($1) and coalesce(sent_at, delivered_at, read_at) is not null`

/** Asks for the rows once no webhook is open any more: to count them again and again would be work of its own. */
async function committed({ system }: Tools, wamids: string[], select: string): Promise<Effect[]> {
  await until(async () => {
    const [row] = await system.world.sql<{ open: boolean }>('select exists (select from webhook_gateway.feed_open) as open')
    return row?.open === false
  }, 60_000)
  const effects = await system.world.sql<Effect>(select, [wamids])
  if (effects.length !== wamids.length) throw new Error(`Only ${effects.length} of ${wamids.length} elements had their effect`)
  return effects
}

function rowsATransaction(effects: readonly Effect[]): number {
  return Math.round(effects.length / new Set(effects.map(({ transaction }) => transaction)).size)
}

/** Three statuses of each of 1,000 messages a second, Meta's top tier. */
function fastEnough({ what, work }: Comparison): Check {
  return { what: `elements a second, ${what}`, found: whole(work.perSecond), reach: '≥ 3,000', ok: work.perSecond >= 3_000 }
}

async function atHalfLoad(tools: Tools, numbers: readonly BenchNumber[], perSecond: number): Promise<Check> {
  const elements = 50
  const posts = Math.ceil((perSecond * (tools.ctx.quick ? 1 : 4)) / elements / perMessage) * perMessage
  tools.ctx.say(`half load: ${whole(perSecond)} elements a second`)
  const streams = await makeStreams(tools.system, numbers, posts * elements)
  const { p50Ms, p99Ms } = figure('', [await throughSystem(tools, streams, elements, perSecond / elements)])
  return {
    what: `median and p99 from POST to commit at half load, one number, ${whole(perSecond)} elements a second`,
    found: `${p50Ms.toFixed(0)} ms, ${p99Ms.toFixed(0)} ms`,
    reach: 'p99 ≤ 1 s',
    ok: p99Ms <= 1_000,
  }
}

const whole = (n: number): string => Math.round(n).toLocaleString('en-US')
