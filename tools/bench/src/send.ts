import type { ChildProcess } from 'node:child_process'
import { until } from '@lockstep/testing'
import { buildTemplateMessage, type SendableTemplate } from '@lockstep/whatsapp'
import { defaultSendConcurrency } from '../../../services/campaigns/src/config.ts'
import { phones, type Tenant, type TestStack } from '../../../test/stack.ts'
import type { Bench, BenchContext, Check } from './bench.ts'
import { idleAfter, meterProcesses } from './cpu.ts'
import { post, startProcess } from './load.ts'
import { type Comparison, compare, type Round } from './measure.ts'
import { openSystem } from './system.ts'

const names = ['accounts', 'templates', 'contacts', 'campaigns', 'webhook-gateway'] as const

/** Messages of a campaign from their claim to the commit of what Meta answered, beside a bare loop of the same POSTs. */
export const run: Bench = async (ctx) => {
  await using up = new AsyncDisposableStack()
  const system = up.use(await openSystem(ctx, names))
  const tenant = await system.addTenant()
  await system.world.sql('update accounts.connections set per_second = 1000000, per_minute = 60000000') // no door allows that
  const { child } = up.use(await startProcess(ctx, './load-process.ts'))
  const loop = meterProcesses(() => [{ name: 'client', pid: child.pid! }])
  const comparison = await compare({
    what: `campaign messages, ${defaultSendConcurrency} under way`,
    work: { name: 'campaign', run: campaigns(ctx, system, tenant) },
    floor: { name: 'bare loop of the same POSTs', meter: loop, run: await bareLoop(system, tenant, child) },
    meter: system.meter,
    reach: 0.5,
    rounds: ctx.quick ? 1 : 5,
    roundMs: ctx.quick ? 300 : 2_000,
    least: ctx.quick ? 200 : 2_000,
  })
  return {
    size: `${comparison.rounds} rounds of ${comparison.operations.toLocaleString('en-US')} messages; PostgreSQL with fsync`,
    comparisons: [comparison],
    growth: [],
    checks: [fastEnough(comparison), await idleAfter(system.meter)],
  }
}

/** A campaign to people who were never written to; the time counts from its first claim to its last outcome, on PostgreSQL's clock. */
function campaigns(ctx: BenchContext, system: TestStack, tenant: Tenant): (operations: number) => Promise<Round> {
  let people = 0
  return async (operations) => {
    ctx.say(`a campaign to ${operations}`)
    const tag = `people-${people}`
    await system.importContacts(tenant, phones(operations, people), tag)
    people += operations
    const { id } = await system.startCampaign(tenant, tag)
    const { statistics } = await system.untilCampaign(tenant, id, 'completed', 300_000)
    if (statistics!.accepted !== operations) throw new Error(`Only ${statistics!.accepted} of ${operations} messages were accepted`)
    const rows = await system.world.sql<{ from: number; to: number }>(
      `select (extract(epoch from claimed_at) * 1000)::float8 as "from",
              (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as "to"
       from campaigns.attempts where campaign_id = $1`,
      [id],
    )
    const first = rows.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY)
    const last = rows.reduce((most, { to }) => Math.max(most, to), 0)
    return { operations, elapsedMs: last - first, latenciesMs: rows.map(({ from, to }) => to - from) }
  }
}

async function bareLoop(system: TestStack, tenant: Tenant, child: ChildProcess): Promise<(operations: number) => Promise<Round>> {
  const { templates } = await until(() => system.clients.templates.listTemplates({}, tenant))
  const found = templates.find(({ name }) => name === 'spring_offer')!
  const template: SendableTemplate = { name: found.name, language: found.language, components: JSON.parse(found.componentsJson) }
  const values = { 'header.1': 'Person 1', 'body.1': '20 %', 'body.2': 'Sunday' }
  const url = `${system.simulator.url}/v24.0/${tenant.phoneNumberId}/messages`
  const headers = { authorization: `Bearer ${tenant.accessToken}` }
  let people = 5_000_000
  return async (operations) => {
    const bodies = phones(operations, people).map((phone, i) => {
      const message = buildTemplateMessage({ template, to: { phone: phone.slice(1) }, values, token: `bench.${people + i}` })
      return { raw: Buffer.from(JSON.stringify(message)), headers }
    })
    people += operations
    const report = await post(child, { url, bodies, posts: operations, connections: defaultSendConcurrency })
    if (report.answered < operations) throw new Error(`Only ${report.answered} of ${operations} POSTs of the floor were accepted`)
    return report
  }
}

/** Meta's upper tier for one number. */
function fastEnough({ work }: Comparison): Check {
  return {
    what: 'messages a second, one campaign',
    found: Math.round(work.perSecond).toLocaleString('en-US'),
    reach: '≥ 1,000',
    ok: work.perSecond >= 1_000,
  }
}
