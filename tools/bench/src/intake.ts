import type { ChildProcess } from 'node:child_process'
import type { TestSystem } from '@lockstep/testing/system'
import type { Bench, BenchContext } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter, meterProcesses, totalOf } from './cpu.ts'
import { connections, post, startProcess } from './load.ts'
import type { Load } from './load-process.ts'
import { type Comparison, type Contender, compare } from './measure.ts'
import { type SeededNumber, seedNumbers, seedTenants } from './seed.ts'
import { openSystem } from './system.ts'
import { signed } from './webhook-stream.ts'

/** Share of its CPU that the gateway may not spend on more than the bare server. */
const reach = 0.5

/** Signed webhooks answered 200: in PostgreSQL and their lanes woken, beside an endpoint that stores nothing. */
export const run: Bench = async (ctx) => {
  await using stack = new AsyncDisposableStack()
  const { system, sets } = await openGateway(ctx)
  stack.use(system)
  const { appSecret, appId } = sets[0]![0]!.tenant
  const { child } = stack.use(await startProcess(ctx, './load-process.ts'))
  const { ready: floorUrl, child: floor } = stack.use(
    await startProcess<string>(ctx, './intake-floor.ts', [appSecret]),
  )
  const url = `http://127.0.0.1:${system.ports['webhook-gateway'].http}/webhooks/${appId}`
  const sent = { posts: 0, answered: 0 }

  const against = (numbers: readonly SeededNumber[], elements: number): Promise<Comparison> => {
    const what = inWords(numbers.length, elements)
    ctx.say(what)
    const bodies = numbers.map((number) => {
      const raw = bodyOf(number, elements)
      return { raw, headers: signed(appSecret, raw) }
    })
    const bare = `${floorUrl}/webhooks/floor`
    return compare({
      what,
      work: contender('gateway', child, url, bodies, sent),
      floor: {
        ...contender('fastify and HMAC, nothing stored', child, bare, bodies),
        meter: meterProcesses(() => [{ name: 'webhook-gateway', pid: floor.pid! }]),
      },
      meter: system.meter,
      rounds: ctx.quick ? 2 : 5,
      roundMs: ctx.quick ? 300 : 800,
      least: 20 * connections,
    })
  }

  const comparisons: Comparison[] = []
  for (const elements of [1, 50])
    for (const numbers of sets) comparisons.push(await against(numbers, elements))
  return {
    size: `${comparisons[0]?.rounds} rounds of ${comparisons.map((each) => whole(each.operations)).join(', ')} POSTs, ${connections} connections; PostgreSQL with fsync`,
    comparisons,
    growth: [],
    figures: figuresOf(comparisons),
    checks: [
      ...comparisons.flatMap(cheapEnough),
      ...comparisons.flatMap(inTime),
      await allStored(system, sent),
      await idleAfter(system.meter),
    ],
  }
}

/** A system of the gateway, and sets of so many numbers each, all of one app: the floor knows one secret. */
async function openGateway(ctx: BenchContext) {
  const counts = ctx.sizes.numbers ?? (ctx.quick ? [1, 50] : [1, 50, 1_000])
  const sets: SeededNumber[][] = []
  const system = await openSystem(ctx, ['accounts', 'webhook-gateway'], async ({ world }) => {
    const [tenant] = await seedTenants(world, 1)
    for (const [i, count] of counts.entries())
      sets.push(await seedNumbers(world, [tenant!], count, 80_000_000 + i * 100_000))
  })
  return { system, sets }
}

function inWords(numbers: number, elements: number): string {
  const of = `${whole(numbers)} ${numbers === 1 ? 'number' : 'numbers'}`
  return `POSTs of ${elements} ${elements === 1 ? 'element' : 'elements'}, ${of}`
}

async function allStored(
  { world }: TestSystem,
  sent: { posts: number; answered: number },
): Promise<Check> {
  const [{ stored } = { stored: 0 }] = await world.sql<{ stored: number }>(
    'select count(*)::int as stored from webhook_gateway.webhook_bodies',
  )
  return {
    what: 'bodies in PostgreSQL, of those answered 200, of those sent',
    found: `${whole(stored)} of ${whole(sent.answered)} of ${whole(sent.posts)}`,
    reach: 'all',
    ok: stored === sent.answered && sent.answered === sent.posts,
  }
}

function figuresOf(comparisons: readonly Comparison[]): Record<string, number> {
  return Object.fromEntries(
    comparisons.flatMap((each) =>
      Object.entries(sharesOf(each)).map(([of, share]) => [`${each.what}: ${of}`, share]),
    ),
  )
}

/** The floor's CPU by that of the gateway's process, and by that of the whole system. */
function sharesOf({ work, floor }: Comparison): { gateway: number; system: number } {
  const least = totalOf(floor.cpu)
  return {
    gateway: least / (work.cpu['webhook-gateway'] ?? Number.NaN),
    system: least / totalOf(work.cpu),
  }
}

function cheapEnough(comparison: Comparison): Check {
  const { gateway, system } = sharesOf(comparison)
  return {
    what: `CPU of the bare server by that of the gateway, ${comparison.what}`,
    found: `${gateway.toFixed(2)} (by that of the whole system ${system.toFixed(2)})`,
    reach: `≥ ${reach}`,
    ok: gateway >= reach,
  }
}

export function contender(
  name: string,
  child: ChildProcess,
  url: string,
  bodies: Load['bodies'],
  counted = { posts: 0, answered: 0 },
): Contender {
  return {
    name,
    async run(posts) {
      const report = await post(child, { url, bodies, posts, connections })
      counted.posts += posts
      counted.answered += report.answered
      return report
    },
  }
}

/** What Meta asks of a webhook's endpoint: half of the answers within 250 ms, nearly all within a second. */
function inTime({ what, work: { p50Ms, p99Ms } }: Comparison): Check {
  const found = `${p50Ms.toFixed(0)} ms, ${p99Ms.toFixed(0)} ms`
  return {
    what: `median and p99, ${what}`,
    found,
    reach: '≤ 250 ms, ≤ 1 s',
    ok: p50Ms <= 250 && p99Ms <= 1_000,
  }
}

export function bodyOf({ phoneNumberId, wabaId }: SeededNumber, elements: number): Buffer {
  const from = `4915123${phoneNumberId.slice(-6)}`
  const timestamp = String(Math.floor(Date.now() / 1000))
  const messages = Array.from({ length: elements }, (_, i) => {
    return {
      from,
      id: `wamid.intake.${phoneNumberId}.${i}`,
      timestamp,
      type: 'text',
      text: { body: `Is it still there? ${i}` },
    }
  })
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: phoneNumberId },
    contacts: [{ wa_id: from, profile: { name: 'Person' } }],
    messages,
  }
  return Buffer.from(
    JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: wabaId, changes: [{ field: 'messages', value }] }],
    }),
  )
}

const whole = (n: number): string => Math.round(n).toLocaleString('en-US')
