import { startService } from '@lockstep/service'
import { messageWebhook, postWebhook, until, type World } from '@lockstep/testing'
import { configIn, startSystem, type TestSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import { webhookGatewayService } from '../../services/webhook-gateway/src/service.ts'

const phoneNumberId = '770077008'
const wabaId = '770000'

/** A second gateway: what it knows of an app is as old as it may be. */
function startWithoutEvents({ world, ports }: TestSystem) {
  const config = configIn(world, webhookGatewayService, {
    LOCKSTEP_NATS_URL: 'nats://127.0.0.1:9',
    LOCKSTEP_ACCOUNTS_ADDRESS: `127.0.0.1:${ports.accounts.grpc}`,
  })
  return startService(webhookGatewayService, config, { scale: 0.1 })
}

/** How many of the number's parts have which outcome. */
async function outcomes(world: World): Promise<Record<string, number>> {
  const rows = await world.sql<{ outcome: string; n: number }>(
    `select coalesce(outcome, 'open') as outcome, count(*)::int as n from webhook_gateway.webhook_parts where key = $1 group by 1`,
    [phoneNumberId],
  )
  return Object.fromEntries(rows.map(({ outcome, n }) => [outcome, n]))
}

test('what comes before, while and just after a number is connected has its effect once, by whichever gateway it came', async () => {
  await using system = await startSystem()
  const { world, simulator, clients } = system
  const tenant = await system.addTenant()
  await using withoutEvents = await startWithoutEvents(system)
  const urls = [
    system.webhookUrl(tenant),
    `http://127.0.0.1:${withoutEvents.httpPort}/webhooks/${tenant.appId}`,
  ]

  const sent: string[] = []
  async function deliver(): Promise<void> {
    const { wamid, body } = messageWebhook({ phoneNumberId, wabaId })
    expect(await postWebhook(urls[sent.push(wamid) % 2]!, tenant.appSecret, body)).toBe(200)
  }
  for (let n = 0; n < 20; n++) await deliver()
  expect(await outcomes(world)).toEqual({ no_connection: 20 })

  const number = { id: phoneNumberId, wabaId, token: 'token' }
  const names = { displayPhoneNumber: '+1 555 7700', verifiedName: 'Late' }
  await simulator.client.setState({ numbers: [{ ...number, ...names, throughputLevel: 'HIGH' }] })
  let connected = false
  const connecting = clients.accounts
    .createConnection(
      { name: 'Late', phoneNumberId, wabaId, appId: tenant.appId, accessToken: 'token' },
      tenant,
    )
    .finally(() => {
      connected = true
    })
  while (!connected) await deliver()
  for (let n = 0; n < 20; n++) await deliver()
  await connecting

  const stored = () =>
    world.sql<{ wamid: string; n: number }>(
      'select wamid, count(*)::int as n from conversations.messages where account_id = $1 group by wamid',
      [tenant.accountId],
    )
  await until(async () => (await stored()).length === sent.length, 30_000)
  await system.settled()
  expect((await stored()).map(({ wamid, n }) => `${wamid} ${n}`).toSorted()).toEqual(
    sent.map((wamid) => `${wamid} 1`).toSorted(),
  )
  expect(await outcomes(world)).toEqual({ done: sent.length })
}, 90_000)

test('a STOP that comes between disconnecting and connecting a number counts once it is connected again', async () => {
  await using system = await startSystem()
  const tenant = await system.addTenant()
  const { clients } = system
  await clients.accounts.disconnect({ id: tenant.connectionId }, tenant)
  const { body } = messageWebhook({
    ...tenant,
    from: '4915120000001',
    text: 'STOP',
    timestamp: Math.floor(Date.now() / 1000),
  })
  expect(await postWebhook(system.webhookUrl(tenant), tenant.appSecret, body)).toBe(200)
  await system.settled()
  const stops = async () =>
    (
      await system.world.sql('select from contacts.consents where account_id = $1', [
        tenant.accountId,
      ])
    ).length
  expect(await stops()).toBe(0)
  const { phoneNumberId, wabaId, appId, accessToken } = tenant
  await clients.accounts.createConnection(
    { name: 'Again', phoneNumberId, wabaId, appId, accessToken },
    tenant,
  )
  await until(async () => (await stops()) > 0)
}, 60_000)
