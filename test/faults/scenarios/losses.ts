import { until } from '@lockstep/testing'
import type { FaultRun } from '../run.ts'
import { type FaultScenario, marks, untilAccepted, untilAtLeast } from '../scenario.ts'

type Loss = 'deleteNatsStore' | 'flushRedis' | 'restartRedis' | 'crashPostgres'

export const losses: FaultScenario = {
  name: 'losses',
  guarantee:
    "NATS' store deleted, Redis flushed or restarted, PostgreSQL crashed, each in mid prepare, send and status storm: nothing twice or lost",
  processes: ['campaigns', 'webhook-gateway'],
  async run(run, size) {
    const total = size === 'full' ? 800 : 300
    const all: Loss[] = ['crashPostgres', 'deleteNatsStore', 'flushRedis', 'restartRedis']
    for (const loss of size === 'full' ? all : ['crashPostgres' as const, run.pick(all.slice(1))])
      await campaignWith(run, loss, total)
  },
}

/** A campaign that suffers one loss in each of its phases. */
async function campaignWith(run: FaultRun, loss: Loss, total: number): Promise<void> {
  const { client } = run.system.simulator
  await client.setSettings({ webhooks: { paused: true } })
  await slowPreparing(run)
  const { id } = await run.startCampaign(total)
  await until(() => isWritingRecipients(run))
  run.note('its recipients are being written')
  await run[loss]()
  await until(() => usualPreparing(run), 30_000)

  const [mark] = marks(run, 1, total)
  await untilAccepted(run, id, mark!, total)
  await run[loss]()
  await run.system.untilCampaign(run.tenant, id, 'completed', 120_000)

  await client.setSettings({ webhooks: { paused: false } })
  const sent = async () => (await run.system.campaign(run.tenant, id)).statistics!.sent
  run.note(`${await untilAtLeast(sent, run.dice(1, total / 2))} statuses have come`)
  await run[loss]()
  await run.finish(id, { redisWasFlushed: true })
}

/** A batch of recipients takes 300 ms, so that a loss meets it. */
async function slowPreparing({ system: { world } }: FaultRun): Promise<void> {
  await world.sql(`create or replace function campaigns.take_time() returns trigger language plpgsql
    as $$ begin perform pg_sleep(0.3); return null; end $$`)
  await world.sql(
    'create trigger take_time after insert on campaigns.recipients for each statement execute function campaigns.take_time()',
  )
}

async function isWritingRecipients({ system: { world } }: FaultRun): Promise<boolean> {
  return (
    (
      await world.sql(
        `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
      )
    ).length > 0
  )
}

async function usualPreparing({ system: { world } }: FaultRun): Promise<boolean> {
  await world.sql('drop trigger take_time on campaigns.recipients')
  return true
}
