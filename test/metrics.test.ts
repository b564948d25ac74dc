import { until } from '@lockstep/testing'
import { phones, startSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'

test('what docs/reference/conflict-analysis.md wants monitored, and figures of lanes and feeds, stand at /metrics once there is something to count', async () => {
  await using system = await startSystem()
  const tenant = await system.addTenant({ perMinute: 60, perSecond: 80 })
  await system.importContacts(tenant, phones(60))
  const metricsOf = async (service: 'campaigns' | 'webhook-gateway') =>
    (await fetch(`http://127.0.0.1:${system.ports[service].health}/metrics`)).text()

  // A limit that binds, and an error of Meta's.
  await system.simulator.client.setSettings({
    webhooks: { paused: true },
    errors: { next: [{ code: 131009, count: 1 }] },
  })
  const { id } = await system.startCampaign(tenant)
  await until(async () => (await system.campaign(tenant, id)).statistics!.rejected === 1)
  await until(async () =>
    /lockstep_rate_limit_hits_total\{[^}]*whatsapp_api_rate_limit/.test(
      await metricsOf('campaigns'),
    ),
  )
  expect(await metricsOf('campaigns')).toMatch(/lockstep_graph_errors_total\{[^}]*code="131009"/)
  await system.clients.campaigns.pauseCampaign({ id }, tenant)
  await until(async () => (await system.campaign(tenant, id)).statistics!.sending === 0)

  // Work that fails for itself: the rows refuse what the statuses say.
  await system.world.sql(`create function campaigns.refuse() returns trigger language plpgsql
    as $$ begin raise 'refused' using errcode = '23514'; end $$`)
  await system.world.sql(
    'create trigger refuse before update on campaigns.attempts for each row execute function campaigns.refuse()',
  )
  await system.simulator.client.setSettings({ webhooks: { paused: false } })
  await until(async () =>
    /lockstep_feed_dead\{[^}]*webhooks\.campaign[^}]*\} [1-9]/.test(
      await metricsOf('webhook-gateway'),
    ),
  )
  const campaigns = await metricsOf('campaigns')
  expect(campaigns).toMatch(/lockstep_job_failures_total\{[^}]*webhooks\.campaign/)

  for (const name of [
    'lock_acquired_total',
    'lock_held_seconds',
    'feed_open',
    'feed_oldest_seconds',
    'lane_active_partitions',
    'db_transaction_seconds',
  ])
    expect(campaigns, name).toContain(`lockstep_${name}`)
}, 60_000)
