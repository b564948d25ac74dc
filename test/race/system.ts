import type { LaneName } from '@lockstep/contracts'
import { openEntries, startInProcess } from '@lockstep/system'
import { postWebhook, type TestServers, until } from '@lockstep/testing'
import { startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { createTokens, type Tokens } from '@lockstep/whatsapp'
import { startProcesses } from './processes.ts'
import { nothingTaken, removableGuards, type Taken } from './without.ts'

/** What a scenario races in: one system, and several processes that want to do the same work at the same time. */
export interface Race extends AsyncDisposable {
  system: TestSystem
  tokens: Tokens
  sql: TestSystem['world']['sql']
  /** Takes guards away from all processes; `nothingTaken` gives all back. */
  take(taken: Taken): Promise<void>
  /** All processes begin to work on a key of a lane at the same time. */
  go(lane: LaneName, key: string): Promise<void>
  /** How often each mutation has changed a statement, in all processes. */
  bites(): Promise<number[]>
  /** How many transactions PostgreSQL has ended as deadlocked since guards were taken, in all processes. */
  deadlocks(): Promise<number>
  /** Waits until nothing is under way: no open work, no busy process, no message whose outcome isn't known. Throws with NotSettled as its cause. */
  settled(): Promise<void>
  /** Delivers a signed webhook with one change of a number, as Meta does. */
  deliver(tenant: Tenant, value: object): Promise<void>
}

const scale = 0.1
/** A round takes a second or two; work that goes on for so long never ends. */
const settleMs = 15_000

/** Work goes on and on. */
export class NotSettled extends Error {
  constructor(busy: number, open: string) {
    super(
      `the work was not done after ${settleMs / 1_000} s (${busy} processes busy, ${open} entries or messages open)`,
    )
  }
}

const open = `select entries.open + (select count(*) from campaigns.recipients where state = 'sending') as open from (${openEntries(['events'])}) entries`

/** A statement trigger that notes when a statement began and ended to write, and makes it take up to so many seconds. */
const slowTrigger = `
  create schema race;
  create table race.writes (table_name text, backend integer, began timestamptz, ended timestamptz);
  create function race.begin() returns trigger language plpgsql security definer as $$
  begin
    insert into race.writes values (tg_table_name, pg_backend_pid(), clock_timestamp());
    perform pg_sleep(tg_argv[0]::float8 * (0.5 + random() / 2));
    return null;
  end $$;
  create function race.finish() returns trigger language plpgsql security definer as $$
  begin
    update race.writes set ended = clock_timestamp() where backend = pg_backend_pid() and table_name = tg_table_name and ended is null;
    return null;
  end $$;`

/** Starts the system and its processes; Meta delivers no webhook by itself, for the scenarios do. */
export async function startRace(
  options: { servers?: TestServers; processes?: number } = {},
): Promise<Race> {
  await using stack = new AsyncDisposableStack()
  const simulator = { webhooks: { paused: true, batchMs: 10 } }
  const system = stack.use(
    await startSystem({ services: [], scale, simulator, servers: options.servers }),
  )
  const here = removableGuards(system.world.platformKey)
  stack.use(
    await startInProcess(system.ports, system.surroundings, ['accounts', 'webhook-gateway'], {
      scale,
      ...here.overrides,
    }),
  )
  const processes = stack.use(await startProcesses(system, options.processes ?? 3, scale))
  const { sql } = system.world
  await sql(slowTrigger)
  const started = stack.move()
  return {
    system,
    tokens: createTokens(system.world.platformKey),
    sql,
    async take(taken) {
      here.take(taken)
      await processes.take(taken)
    },
    go: processes.go,
    async bites() {
      const looks = [...(await processes.look()), { bites: here.bites() }]
      return looks[0]!.bites.map((_, i) => looks.reduce((sum, { bites }) => sum + bites[i]!, 0))
    },
    deadlocks: async () => (await processes.look()).reduce((sum, look) => sum + look.deadlocks, 0),
    settled: async () =>
      void (await until(async () => {
        const busy = (await processes.look()).filter(({ idle }) => !idle).length
        const [row] = await sql<{ open: string }>(open)
        if (busy > 0 || row!.open !== '0') throw new NotSettled(busy, row!.open)
        return true
      }, settleMs)),
    deliver: (tenant, value) => deliver(system, tenant, value),
    async [Symbol.asyncDispose]() {
      await processes.take(nothingTaken).catch(() => undefined)
      await started.disposeAsync()
    },
  }
}

async function deliver(system: TestSystem, tenant: Tenant, value: object): Promise<void> {
  const metadata = { display_phone_number: '1555', phone_number_id: tenant.phoneNumberId }
  const change = { field: 'messages', value: { messaging_product: 'whatsapp', metadata, ...value } }
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: tenant.wabaId, changes: [change] }],
  })
  const status = await postWebhook(system.webhookUrl(tenant), tenant.appSecret, body)
  if (status !== 200) throw new Error(`The gateway answered ${status}`)
}
