import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { until } from '@lockstep/testing'
import { phones, type Tenant } from '@lockstep/testing/system'
import type { SendableTemplate } from '@lockstep/whatsapp'
import { defaultSendConcurrency } from '../../../services/campaigns/src/config.ts'
import type { Bench, BenchContext } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter, meterProcesses } from './cpu.ts'
import { startProcess } from './load.ts'
import { type Comparison, type Contender, compare, type Round } from './measure.ts'
import type { SendFloor } from './send-floor-process.ts'
import { type BenchSystem, openSystem } from './system.ts'

/** All that a campaign goes through. */
export const sendingServices = [
  'accounts',
  'templates',
  'contacts',
  'campaigns',
  'webhook-gateway',
  'events',
] as const
const values = { 'header.1': '{{name}}', 'body.1': '20 %', 'body.2': 'Sunday' }
/** The same as one person gets them. */
const personValues = { ...values, 'header.1': 'Person 1' }
const campaignsAtOnce = 16
/** Sixteen campaigns have a quarter of the people of the one each, so that it is not their starting that is measured. */
const shareOfMany = 4

/**
 * Messages of a campaign from its start to the commit of what Meta answered to the last, the limit lifted: one campaign, and sixteen at
 * once; beside the least that any program does that leaves such rows.
 */
export const run: Bench = async (ctx) => {
  await using stack = new AsyncDisposableStack()
  const system = stack.use(await openSystem(ctx, sendingServices))
  const tenant = await system.addTenant()
  await liftLimits(system)
  const { child } = stack.use(await startProcess(ctx, './send-floor-process.ts'))
  const one = campaigns(ctx, system, tenant, { atOnce: 1, share: 1 })
  const many = campaigns(ctx, system, tenant, { atOnce: campaignsAtOnce, share: shareOfMany })
  const comparison = await compare({
    what: `campaign messages, ${defaultSendConcurrency} under way`,
    work: { name: 'one campaign', ...one },
    floor: await floor(system, tenant, child),
    others: [{ name: `${campaignsAtOnce} campaigns at once`, ...many }],
    meter: system.meter,
    reach: 0.5,
    rounds: ctx.quick ? 1 : 5,
    roundMs: ctx.quick ? 300 : 2_000,
    least: ctx.quick ? 320 : 3_200,
  })
  return {
    size: `${comparison.rounds} rounds of ${comparison.operations.toLocaleString('en-US')} messages; PostgreSQL with fsync`,
    comparisons: [comparison],
    growth: [],
    checks: [fastEnough(comparison), ...cheapEnough(comparison), await idleAfter(system.meter)],
  }
}

/** More than any route allows: what a message costs is asked, and no limit. */
export async function liftLimits({ world }: BenchSystem): Promise<void> {
  await world.sql('update accounts.connections set per_second = 1000000, per_minute = 60000000')
}

type Work = Required<Pick<Contender, 'prepare' | 'run'>>

/** Campaigns to people who were never written to, each to `1 / share` of the operations that it is told. */
export function campaigns(
  ctx: BenchContext,
  system: BenchSystem,
  tenant: Tenant,
  { atOnce, share }: { atOnce: number; share: number },
): Work {
  let people = atOnce * 10_000_000
  let tags: string[] = []
  const each = (operations: number) => Math.ceil(operations / share)
  return {
    async prepare(operations) {
      ctx.say(`importing ${each(operations) * atOnce} people for ${atOnce}`)
      tags = []
      for (let i = 0; i < atOnce; i++) {
        const tag = `people-${people}`
        await system.importContacts(tenant, phones(each(operations), people % 9_000_000), tag)
        people += each(operations)
        tags.push(tag)
      }
    },
    async run(operations) {
      const from = performance.now()
      const round = await sendAll(system, tenant, tags, each(operations) * atOnce)
      ctx.say(`${round.operations} messages in ${Math.round(performance.now() - from)} ms`)
      return round
    },
  }
}

/** Starts a campaign to each tag, `people` in all, and waits until Meta's last answer is a row. Throws when one needed a second attempt. */
export async function sendAll(
  system: BenchSystem,
  tenant: Tenant,
  tags: readonly string[],
  people: number,
): Promise<Round> {
  const started = await Promise.all(tags.map((tag) => system.startCampaign(tenant, tag)))
  const ids = started.map(({ id }) => id)
  await untilCompleted(system, ids, 300_000 + people)
  const rows = await system.watcher.sql<{ from: number; to: number }>(
    `select (extract(epoch from claimed_at) * 1000)::float8 as "from",
            (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as "to"
     from campaigns.attempts where campaign_id = any($1)`,
    [ids],
  )
  if (rows.length !== people) throw new Error(`${rows.length} attempts for ${people} messages`)
  const first = rows.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY)
  const last = rows.reduce((most, { to }) => Math.max(most, to), 0)
  return {
    operations: people,
    elapsedMs: last - first,
    latenciesMs: Float64Array.from(rows, ({ from, to }) => to - from),
  }
}

/** Looks at the rows, on a connection that is not measured: sixteen that ask the service cost it more than a campaign does. */
async function untilCompleted(
  { watcher }: BenchSystem,
  ids: string[],
  timeoutMs: number,
): Promise<void> {
  await until(async () => {
    const states = await watcher.sql<{ state: string; reason: string }>(
      "select state, reason from campaigns.campaigns where id = any($1) and state <> 'completed'",
      [ids],
    )
    if (states.length > 0)
      throw new Error(`${states.length} campaigns are not completed: ${JSON.stringify(states[0])}`)
    return true
  }, timeoutMs)
}

/** A campaign's rows with so many queued recipients, which nothing sends; their phones count from `firstPhone`. */
async function addPausedCampaign(
  { world }: BenchSystem,
  { accountId, connectionId }: Tenant,
  recipients: number,
  firstPhone: number,
): Promise<string> {
  const campaignId = randomUUID()
  await world.sql(
    `with c as (insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
       values ($1, $2, 'Floor', $3, '1', gen_random_uuid(), gen_random_uuid(), '{}', '{}', 'paused', now()) returning id, account_id)
     insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, queued) select id, account_id, $4, $4 from c`,
    [campaignId, accountId, connectionId, recipients],
  )
  await world.sql(
    `insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, not_before)
     select $2, $1, gen_random_uuid(), $1, '49151' || ($3::bigint + n), '', $5::jsonb, 'queued', '-infinity' from generate_series(1, $4::int) n`,
    [campaignId, accountId, firstPhone, recipients, JSON.stringify(personValues)],
  )
  return campaignId
}

async function floor(system: BenchSystem, tenant: Tenant, child: ChildProcess): Promise<Contender> {
  const { templates } = await until(() => system.clients.templates.listTemplates({}, tenant))
  const found = templates.find(({ name }) => name === 'spring_offer')!
  const template: SendableTemplate = {
    name: found.name,
    language: found.language,
    components: JSON.parse(found.componentsJson),
  }
  const url = `${system.simulator.url}/v24.0/${tenant.phoneNumberId}/messages`
  let campaignId = ''
  let people = 5_000_000
  return {
    name: 'one statement that claims 200, their POSTs, one that records',
    meter: meterProcesses(() => [{ name: 'client', pid: child.pid! }, system.postgres]),
    async prepare(operations) {
      campaignId = await addPausedCampaign(system, tenant, operations, 20_000_000 + people)
      people += operations
    },
    async run(operations) {
      const order: SendFloor = {
        adminUrl: system.world.adminUrl,
        url,
        accessToken: tenant.accessToken,
        template,
        values: personValues,
        campaignId,
        messages: operations,
        connections: defaultSendConcurrency,
      }
      child.send(order)
      return (await once(child, 'message'))[0] as Round
    },
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

const totalOf = (cpu: Record<string, number> = {}) =>
  Object.values(cpu).reduce((sum, us) => sum + us, 0)

function cheapEnough({ work, floor, others }: Comparison): Check[] {
  const byFloor = totalOf(floor.cpu) / totalOf(work.cpu)
  const many = totalOf(others[0]?.cpu) / totalOf(work.cpu)
  return [
    {
      what: 'CPU of the floor ÷ of a campaign message',
      found: byFloor.toFixed(2),
      reach: '≥ 0.5',
      ok: byFloor >= 0.5,
    },
    {
      what: 'CPU a message of 16 campaigns at once ÷ of one',
      found: many.toFixed(2),
      reach: '≤ 1.1',
      ok: many <= 1.1,
    },
  ]
}
