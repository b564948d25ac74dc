import type { Tenant } from '@lockstep/testing/system'
import type { Bench, BenchContext } from './bench.ts'
import type { Check } from './check.ts'
import { idleAfter, totalOf } from './cpu.ts'
import { type Figure, figure, type Round, runMetered } from './measure.ts'
import { liftLimits, sendAll, sendingServices } from './send.ts'
import { type BenchSystem, openSystem } from './system.ts'

const reach = 1.1

/** A campaign to a million people, from its start to the last outcome, with campaigns to few before and after it. */
export const run: Bench = async (ctx) => {
  const share = ctx.sizes.share ?? (ctx.quick ? 0.002 : 1)
  const few = Math.ceil(ctx.quick ? 500 : 5_000)
  const many = Math.ceil(1_000_000 * share)
  await using stack = new AsyncDisposableStack()
  const system = stack.use(await openSystem(ctx, sendingServices))
  const tenant = await system.addTenant()
  await liftLimits(system)
  const send = (tag: string, people: number): Promise<Round> => {
    ctx.say(`sending to ${people.toLocaleString('en-US')}`)
    const work = { name: tag, run: () => sendAll(system, tenant, [tag], people) }
    return runMetered(work, people, { meter: system.meter })
  }
  await seedPeople(ctx, system, tenant, { warm: few, before: few, many, after: few })
  await send('warm', few)
  const before = await send('before', few)
  const large = await send('many', many)
  const after = await send('after', few)
  const figures = [
    figure(`${few.toLocaleString('en-US')} recipients`, [before, after]),
    figure(`${many.toLocaleString('en-US')} recipients`, [large]),
  ]
  return {
    size: `${figures.map(({ name }) => name).join(' and ')}; PostgreSQL with fsync`,
    comparisons: [],
    growth: [],
    tables: [tableOf(figures)],
    checks: [cheapEnough(figures), await idleAfter(system.meter)],
  }
}

/** People that no campaign has written to, by tag: an import of a million would take longer than the campaign. */
async function seedPeople(
  ctx: BenchContext,
  { world }: BenchSystem,
  { accountId }: Tenant,
  tags: Record<string, number>,
): Promise<void> {
  let first = 0
  for (const [tag, people] of Object.entries(tags)) {
    ctx.say(`seeding ${people.toLocaleString('en-US')} people`)
    await world.sql(
      `with p as (select gen_random_uuid() as id, i, '49152' || lpad(i::text, 8, '0') as phone from generate_series($3::int, $4::int) i),
         c as (insert into contacts.contacts (id, account_id, name, phone, wa_id, opted_out, source)
           select id, $1, 'Person ' || i, phone, phone, false, 'import' from p),
         n as (insert into contacts.identities (account_id, namespace, kind, match_key, contact_id) select $1, 'number', 'phone', phone, id from p)
       insert into contacts.contact_tags (account_id, tag, contact_id) select $1, $2, id from p`,
      [accountId, tag, first, first + people - 1],
    )
    first += people
  }
  await world.sql('vacuum analyze')
}

function tableOf(figures: Figure[]): { titles: string[]; rows: string[][] } {
  const processes = Object.keys(figures[0]!.cpu)
  return {
    titles: ['a campaign to', 'messages a second', 'CPU, µs a message', ...processes],
    rows: figures.map(({ name, perSecond, cpu }) => [
      name,
      Math.round(perSecond).toLocaleString('en-US'),
      totalOf(cpu).toFixed(0),
      ...processes.map((process) => cpu[process]!.toFixed(0)),
    ]),
  }
}

function cheapEnough([few, many]: Figure[]): Check {
  const ratio = totalOf(many!.cpu) / totalOf(few!.cpu)
  return {
    what: `CPU a message of ${many!.name} ÷ of ${few!.name}`,
    found: ratio.toFixed(2),
    reach: `≤ ${reach}`,
    ok: ratio <= reach,
  }
}
