import { owning } from '@lockstep/service'
import { postWebhook, until } from '@lockstep/testing'
import { startSystem } from '@lockstep/testing/system'
import { expect } from 'vitest'

export const wabaId = '2002'
export const now = () => Math.floor(Date.now() / 1000)

/** Accounts and the gateway, with Meta simulated. */
export async function openStack() {
  await using stack = new AsyncDisposableStack()
  const system = stack.use(
    await startSystem({ services: ['accounts', 'webhook-gateway'], scale: 0.05 }),
  )
  const { world, simulator, clients, webhookUrl } = system
  const { accounts } = clients

  /** A tenant with an app, and with a number of the WABA. */
  async function tenant(phoneNumberId?: string) {
    const { id: accountId } = await accounts.createAccount({ name: 'Tenant' }, {})
    const app = await accounts.createApp(
      { name: 'App', metaAppId: '1', secret: 'secret', verifyToken: 'v' },
      { accountId },
    )
    const one = { accountId, appId: app.id, connectionId: '' }
    return phoneNumberId ? { ...one, connectionId: await connectNumber(one, phoneNumberId) } : one
  }

  async function connectNumber(
    { accountId, appId }: { accountId: string; appId: string },
    phoneNumberId: string,
    displayPhoneNumber = `+1 555 ${phoneNumberId}`,
    waba = wabaId,
  ) {
    const token = `token-${phoneNumberId}`
    await simulator.client.setState({
      numbers: [{ id: phoneNumberId, wabaId: waba, displayPhoneNumber, token }],
    })
    const asked = { name: 'Number', phoneNumberId, wabaId: waba, appId, accessToken: token }
    return (await accounts.createConnection(asked, { accountId })).id
  }

  /**
   * Delivers a change of the WABA as Meta does, dated in Unix seconds, and waits for what became of
   * it.
   */
  async function deliver(
    appId: string,
    field: string,
    value: object,
    time: number,
    waba = wabaId,
  ): Promise<string> {
    const entry = [{ id: waba, time, changes: [{ field, value }] }]
    const body = JSON.stringify({ object: 'whatsapp_business_account', entry })
    expect(await postWebhook(webhookUrl({ appId }), 'secret', body)).toBe(200)
    const newest =
      'select outcome from webhook_gateway.webhook_parts where app_id = $1 order by id desc limit 1'
    return until(
      async () => (await world.sql<{ outcome: string | null }>(newest, [appId]))[0]?.outcome,
    )
  }

  const health = async (of: { accountId: string; connectionId: string }) => {
    const { health, healthReason } = await accounts.getConnection({ id: of.connectionId }, of)
    return { health, healthReason }
  }

  return owning({ world, accounts, tenant, connectNumber, deliver, health }, stack)
}

/** An account_update and its field. */
export const update = (event: string, more: object = {}) =>
  ['account_update', { event, ...more }] as const
export const ban = (state: string) =>
  update('DISABLED_UPDATE', { ban_info: { waba_ban_state: state, waba_ban_date: 'May 1' } })
export const ok = { health: 'ok', healthReason: '' }
