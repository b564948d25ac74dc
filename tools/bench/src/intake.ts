import type { ChildProcess } from 'node:child_process'
import type { Tenant, TestStack } from '../../../test/stack.ts'
import type { Bench, Check } from './bench.ts'
import { connections, post, startProcess } from './load.ts'
import type { Load } from './load-process.ts'
import { type Comparison, type Contender, compare } from './measure.ts'
import { openSystem } from './system.ts'
import { signed } from './webhook-stream.ts'

const numbers = 50
const firstNumber = 80_000_000

/** Signed webhooks answered 200: in PostgreSQL and their lanes rung, beside a door that stores nothing. */
export const run: Bench = async (ctx) => {
  await using up = new AsyncDisposableStack()
  const system = up.use(await openSystem(ctx, ['accounts', 'templates', 'webhook-gateway']))
  const tenant = await system.addTenant()
  await connectNumbers(system, tenant)
  const { child } = up.use(await startProcess(ctx, './load-process.ts'))
  const { ready: floorUrl } = up.use(await startProcess<string>(ctx, './intake-floor.ts', [tenant.appSecret]))
  const sent = { posts: 0, answered: 0 }

  const against = (elements: number): Promise<Comparison> => {
    ctx.say(`${elements} elements a body`)
    const bodies = Array.from({ length: numbers }, (_, number) => {
      const raw = bodyOf(number, elements)
      return { raw, headers: signed(tenant.appSecret, raw) }
    })
    const at = (name: string, url: string, counted = { posts: 0, answered: 0 }) => contender(name, child, url, bodies, counted)
    return compare({
      what: `POSTs of ${elements} ${elements === 1 ? 'element' : 'elements'}, ${connections} connections, ${numbers} numbers`,
      work: at('gateway', system.webhookUrl(tenant), sent),
      floor: at('fastify and HMAC, nothing stored', `${floorUrl}/webhooks/floor`),
      reach: 0.5,
      rounds: ctx.quick ? 2 : 9,
      roundMs: ctx.quick ? 300 : 1_000,
      least: 20 * connections,
    })
  }

  const comparisons = [await against(1), await against(50)]
  const [{ stored } = { stored: 0 }] = await system.world.sql<{ stored: number }>(
    'select count(*)::int as stored from webhook_gateway.webhook_bodies',
  )
  const lost: Check = {
    what: 'bodies in PostgreSQL, of those answered 200, of those sent',
    found: `${whole(stored)} of ${whole(sent.answered)} of ${whole(sent.posts)}`,
    reach: 'all',
    ok: stored === sent.answered && sent.answered === sent.posts,
  }
  return {
    size: `${comparisons[0]?.rounds} rounds of ${comparisons.map((each) => whole(each.operations)).join(' and ')} POSTs; PostgreSQL with fsync`,
    comparisons,
    growth: [],
    checks: [...comparisons.flatMap(inTime), lost],
  }
}

/** The tenant's connection once more for each number of the bodies: what is about another's is kept without a lane. */
async function connectNumbers({ world }: TestStack, { connectionId }: Tenant): Promise<void> {
  await world.sql(
    `insert into accounts.connections
     select (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(), 'phone_number_id', ($2::int + n)::text))).*
     from accounts.connections c, generate_series(0, $3::int - 1) n where c.id = $1`,
    [connectionId, firstNumber, numbers],
  )
}

function contender(
  name: string,
  child: ChildProcess,
  url: string,
  bodies: Load['bodies'],
  counted: { posts: number; answered: number },
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
  return { what: `median and p99, ${what}`, found, reach: '≤ 250 ms, ≤ 1 s', ok: p50Ms <= 250 && p99Ms <= 1_000 }
}

function bodyOf(number: number, elements: number): Buffer {
  const from = `4915123${String(number).padStart(6, '0')}`
  const timestamp = String(Math.floor(Date.now() / 1000))
  const messages = Array.from({ length: elements }, (_, i) => {
    return { from, id: `wamid.intake.${number}.${i}`, timestamp, type: 'text', text: { body: `Is it still there? ${i}` } }
  })
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: String(firstNumber + number) },
    contacts: [{ wa_id: from, profile: { name: 'Person' } }],
    messages,
  }
  return Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry: [{ id: '1', changes: [{ field: 'messages', value }] }] }))
}

const whole = (n: number): string => Math.round(n).toLocaleString('en-US')
