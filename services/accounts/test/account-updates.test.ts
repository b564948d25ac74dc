import { openContext, owning } from '@lockstep/service'
import { postWebhook, until } from '@lockstep/testing'
import { configIn, startSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { accountUpdate } from '../src/lanes/account-update.ts'
import { accountsService } from '../src/service.ts'

const wabaId = '2002'
const now = () => Math.floor(Date.now() / 1000)

/** Accounts and the gateway, with Meta simulated. */
async function openStack() {
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

const update = (event: string, more: object = {}) => ['account_update', { event, ...more }] as const
const ban = (state: string) =>
  update('DISABLED_UPDATE', { ban_info: { waba_ban_state: state, waba_ban_date: 'May 1' } })
const ok = { health: 'ok', healthReason: '' }

test('a ban says why nothing can be sent, outweighs a restriction, and ends with it when Meta reinstates the WABA', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  expect(await stack.health(tenant)).toEqual(ok)
  await stack.deliver(tenant.appId, ...ban('DISABLE'), now())
  const expiration = now() + 3_600
  const restriction_info = [{ restriction_type: 'RESTRICTED_BIZ_INITIATED_MESSAGING', expiration }]
  await stack.deliver(
    tenant.appId,
    ...update('ACCOUNT_RESTRICTION', { restriction_info }),
    now() + 1,
  )
  expect(await stack.health(tenant)).toEqual({
    health: 'disabled',
    healthReason: expect.stringMatching(/^Meta has disabled .*May 1/),
  })
  await stack.deliver(tenant.appId, ...ban('REINSTATE'), now() + 2)
  expect(await stack.health(tenant)).toEqual(ok)
})

test('a restriction ends by itself at the time that Meta names', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const restriction_info = [
    { restriction_type: 'RESTRICTED_BIZ_INITIATED_MESSAGING', expiration: String(now() + 3) },
  ]
  await stack.deliver(tenant.appId, ...update('ACCOUNT_RESTRICTION', { restriction_info }), now())
  expect(await stack.health(tenant)).toEqual({
    health: 'restricted',
    healthReason: expect.stringMatching(/can only answer people/),
  })
  await until(async () => (await stack.health(tenant)).health === 'ok')
})

test('an older update never overrides a newer one, fact by fact, and one from before a number was connected is only stored', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const start = now() - 20
  const number = { display_phone_number: '1555101' }
  const limit = (tier: string) =>
    ['business_capability_update', { max_daily_conversations_per_business: tier }] as const
  await stack.deliver(tenant.appId, ...limit('TIER_100K'), start + 9)
  await stack.deliver(tenant.appId, ...ban('REINSTATE'), start + 8)
  await stack.deliver(tenant.appId, ...limit('TIER_250'), start + 3)
  await stack.deliver(tenant.appId, ...ban('DISABLE'), start + 2)
  await stack.deliver(
    tenant.appId,
    'phone_number_quality_update',
    { ...number, event: 'FLAGGED' },
    start + 1,
  )
  expect(await stack.accounts.getConnection({ id: tenant.connectionId }, tenant)).toMatchObject({
    messagingLimit: 'TIER_100K',
    health: 'ok',
    quality: 'FLAGGED',
  })
  const late = await stack.connectNumber(tenant, '102')
  expect(await stack.deliver(tenant.appId, ...update('ACCOUNT_DELETED'), start - 3_600)).toBe(
    'done',
  )
  expect(await stack.health({ ...tenant, connectionId: late })).toEqual(ok)
  expect(
    (
      await stack.accounts.listAccountEvents(
        { wabaId, field: 'account_update', limit: 1, beforeId: '' },
        tenant,
      )
    ).events,
  ).toMatchObject([{ event: 'ACCOUNT_DELETED', occurredAtMs: (start - 3_600) * 1_000 }])
})

test('restrictions are a set by type and number: each has its end, a lifting ends its own, and only messaging is restricted by them', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const other = { ...tenant, connectionId: await stack.connectNumber(tenant, '102') }
  const restrict = (restriction_type: string, seconds: number, more: object = {}) =>
    update('ACCOUNT_RESTRICTION', {
      restriction_info: [{ restriction_type, expiration: now() + seconds, ...more }],
    })
  const types = async (of: typeof tenant) =>
    (await stack.accounts.getConnection({ id: of.connectionId }, of)).restrictions.map(
      ({ type }) => type,
    )

  const calling = restrict('RESTRICTED_BUSINESS_INITIATED_CALLING', 86_400)
  await stack.deliver(tenant.appId, calling[0], { ...calling[1], phone_number: '1555101' }, now())
  await stack.deliver(
    tenant.appId,
    ...restrict('RESTRICTED_ADD_PHONE_NUMBER_ACTION', 90 * 86_400),
    now(),
  )
  expect(await types(tenant)).toEqual([
    'RESTRICTED_ADD_PHONE_NUMBER_ACTION',
    'RESTRICTED_BUSINESS_INITIATED_CALLING',
  ])
  expect(await types(other)).toEqual(['RESTRICTED_ADD_PHONE_NUMBER_ACTION'])
  expect([await stack.health(tenant), await stack.health(other)]).toEqual([ok, ok])

  const why = { violation_info: { violation_type: 'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_STRIKE_1' } }
  const sending = restrict('RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES', 7 * 86_400)
  await stack.deliver(tenant.appId, sending[0], { ...sending[1], ...why }, now())
  expect(await types(other)).toContain('RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES')
  const unban = { violation_info: { violation_type: 'DIRECT_SEND_UTILITY_CATEGORY_ABUSE_UNBAN' } }
  await stack.deliver(tenant.appId, ...update('ACCOUNT_RESTRICTION', unban), now() + 1)
  expect(await types(other)).toEqual(['RESTRICTED_ADD_PHONE_NUMBER_ACTION'])

  await stack.deliver(
    tenant.appId,
    ...restrict('RESTRICTED_BIZ_INITIATED_MESSAGING', 3_600, { remediation: 'Appeal at Meta.' }),
    now(),
  )
  const { connections } = await stack.accounts.listConnections({ after: '', limit: 0 }, tenant)
  expect(
    connections.map(({ health, healthReason, restrictions }) => [
      health,
      healthReason,
      restrictions.length,
    ]),
  ).toEqual([
    [
      'restricted',
      expect.stringMatching(/only answer people who write to it, until .*Z\. Appeal at Meta\.$/),
      3,
    ],
    ['restricted', expect.stringMatching(/only answer people/), 2],
  ])
  const { summary, ...rest } = connections[1]!.restrictions.find(
    ({ type }) => type === 'RESTRICTED_BIZ_INITIATED_MESSAGING',
  )!
  expect(rest).toMatchObject({
    forbids: 'business_initiated',
    remediation: 'Appeal at Meta.',
    endsAtMs: expect.any(Number),
  })
})

test("no time of Meta's counts as later than its receipt: a ban that it dates ahead does not outlive the reinstatement", async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  await stack.deliver(tenant.appId, ...ban('DISABLE'), now() + 7_200)
  await stack.deliver(tenant.appId, ...ban('REINSTATE'), now())
  expect(await stack.health(tenant)).toEqual(ok)
})

test("the app's own removal from the account is known before the next send, another app's changes nothing", async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const apps = (partner_app_id: string) => ({
    waba_info: { waba_id: wabaId, owner_business_id: '2', partner_app_id },
  })
  await stack.deliver(tenant.appId, ...update('PARTNER_APP_UNINSTALLED', apps('2')), now(), '888')
  expect(await stack.health(tenant)).toEqual(ok)
  await stack.deliver(tenant.appId, ...update('PARTNER_APP_UNINSTALLED', apps('1')), now(), '888')
  expect(await stack.health(tenant)).toMatchObject({
    health: 'disabled',
    healthReason: expect.stringMatching(/app was removed/),
  })
  expect(
    await stack.deliver(tenant.appId, ...update('MM_LITE_TERMS_SIGNED', apps('1')), now(), '888'),
  ).toBe('done')
  await stack.deliver(tenant.appId, ...update('PARTNER_APP_INSTALLED', apps('1')), now(), '888')
  expect(await stack.health(tenant)).toEqual(ok)
})

test.each([
  ['+55 31 98765-4321', '553187654321'],
  ['+55 31 8765-4321', '5531987654321'],
  ['+52 55 1234 5678', '5215512345678'],
])(
  'updates about %s reach it under the form %s too',
  async (displayPhoneNumber, display_phone_number) => {
    await using stack = await openStack()
    const tenant = await stack.tenant()
    const [id, other] = [
      await stack.connectNumber(tenant, '101', displayPhoneNumber),
      await stack.connectNumber(tenant, '102'),
    ]
    await stack.deliver(
      tenant.appId,
      'phone_number_quality_update',
      { display_phone_number, event: 'FLAGGED' },
      now(),
    )
    expect(await stack.accounts.getConnection({ id }, tenant)).toMatchObject({ quality: 'FLAGGED' })
    expect(await stack.accounts.getConnection({ id: other }, tenant)).toMatchObject({
      quality: 'GREEN',
    })
  },
)

test("updates reach the accounts whose app signed them: those about a WABA that the app does not have are nobody's", async () => {
  await using stack = await openStack()
  const [owner, stranger] = [await stack.tenant('101'), await stack.tenant()]
  expect(await stack.deliver(stranger.appId, ...update('ACCOUNT_DELETED'), now())).toBe(
    'no_connection',
  )
  expect(await stack.deliver(owner.appId, ...update('ACCOUNT_DELETED'), now(), '999')).toBe(
    'no_connection',
  )
  // Of a business portfolio, which nobody connects: it concerns whom the app belongs to.
  const solution = { event: 'SOLUTION_CREATED', solution_id: '1', solution_status: 'INITIATED' }
  expect(await stack.deliver(stranger.appId, 'partner_solutions', solution, now(), '777')).toBe(
    'done',
  )
  expect(await stack.health(owner)).toEqual(ok)
  const all = { wabaId: '', field: '', limit: 0, beforeId: '' }
  expect((await stack.accounts.listAccountEvents(all, owner)).events).toEqual([])
  expect((await stack.accounts.listAccountEvents(all, stranger)).events).toMatchObject([
    { wabaId: '777', field: 'partner_solutions' },
  ])
})

test('events are listed page by page, the last received first, once each, with the value as Meta sent it', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const start = now()
  for (const time of [1, 2, 3, 3])
    await stack.deliver(
      tenant.appId,
      'security',
      { event: 'PIN_CHANGED', requester: '9007199254740993' },
      start + time,
    )
  const page = async (beforeId: string) =>
    (
      await stack.accounts.listAccountEvents(
        { wabaId, field: 'security', limit: 2, beforeId },
        tenant,
      )
    ).events
  const first = await page('')
  const second = await page(first.at(-1)!.id)
  expect([...first, ...second].map((event) => event.occurredAtMs)).toEqual(
    [3, 2, 1].map((time) => (start + time) * 1_000),
  )
  expect(JSON.parse(first[0]!.valueJson)).toEqual({
    event: 'PIN_CHANGED',
    requester: '9007199254740993',
  })
  expect(
    (
      await stack.accounts.listAccountEvents(
        { wabaId: '1', field: '', limit: 0, beforeId: '' },
        tenant,
      )
    ).events,
  ).toEqual([])
})

test('summaries, events and fields that are cut inside an emoji are kept', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const alert = { alert_type: `${'x'.repeat(127)}😀`, alert_description: `${'x'.repeat(999)}😀` }
  expect(await stack.deliver(tenant.appId, 'account_alerts', alert, now())).toBe('done')
  expect(
    await stack.deliver(tenant.appId, `account_${'x'.repeat(119)}😀`, { event: 'NEW' }, now()),
  ).toBe('done')
  const { events } = await stack.accounts.listAccountEvents(
    { wabaId, field: '', limit: 0, beforeId: '' },
    tenant,
  )
  expect(
    events.map(({ field, event, summary }) => [field, event, summary].map((text) => text.at(-1))),
  ).toEqual([
    ['\ufffd', 'W', 'W'],
    ['s', '\ufffd', '\ufffd'],
  ])
})

test('that Meta has taken the access away ends with a token that it accepts again, and an older update of it changes nothing', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  await stack.deliver(
    tenant.appId,
    ...update('PARTNER_REMOVED', { waba_info: { waba_id: wabaId } }),
    now(),
  )
  expect(await stack.health(tenant)).toEqual({
    health: 'disabled',
    healthReason: expect.stringMatching(/no longer gives .* access/),
  })
  await stack.accounts.replaceToken({ id: tenant.connectionId, accessToken: 'token-101' }, tenant)
  expect(await stack.health(tenant)).toEqual(ok)
  await stack.deliver(
    tenant.appId,
    ...update('PARTNER_REMOVED', { waba_info: { waba_id: wabaId } }),
    now() - 5,
  )
  expect(await stack.health(tenant)).toEqual(ok)
})

test('a ban outlives another token and connecting again, ends by an update from in between, and stays behind with its WABA', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const banned = { health: 'disabled', healthReason: expect.stringMatching(/^Meta has disabled/) }
  const again = async () => {
    await stack.accounts.disconnect({ id: tenant.connectionId }, tenant)
    expect(await stack.connectNumber(tenant, '101')).toBe(tenant.connectionId)
  }
  const start = now()
  await stack.deliver(tenant.appId, ...ban('DISABLE'), start - 300)
  expect(await stack.health(tenant)).toEqual(ok) // from before it was connected: as it was when Meta was asked
  await stack.deliver(tenant.appId, ...ban('DISABLE'), start)
  await stack.accounts.replaceToken({ id: tenant.connectionId, accessToken: 'token-101' }, tenant)
  expect(await stack.health(tenant)).toEqual(banned)
  await again()
  expect(await stack.health(tenant)).toEqual(banned)

  await stack.accounts.disconnect({ id: tenant.connectionId }, tenant)
  await until(
    async () =>
      (await stack.deliver(tenant.appId, 'security', { event: 'PIN_CHANGED' }, now())) ===
      'no_connection',
  )
  expect(await stack.deliver(tenant.appId, ...ban('REINSTATE'), now())).toBe('no_connection')
  await stack.connectNumber(tenant, '101')
  await until(async () => (await stack.health(tenant)).health === 'ok')
  await stack.deliver(tenant.appId, ...ban('DISABLE'), now() + 1)
  expect(await stack.health(tenant)).toEqual(banned)
  await stack.accounts.disconnect({ id: tenant.connectionId }, tenant)
  expect(await stack.connectNumber(tenant, '101', undefined, '2003')).toBe(tenant.connectionId)
  expect(await stack.health(tenant)).toEqual(ok)
})

test('an update of a WABA that the number has left before it was handled does not touch the number', async () => {
  await using stack = await openStack()
  const tenant = await stack.tenant('101')
  const body = {
    object: 'whatsapp_business_account',
    entry: [{ id: wabaId, time: now(), changes: [{ field: 'account_update', value: {} }] }],
  }
  Object.assign(body.entry[0]!.changes[0]!.value, ban('DISABLE')[1])
  const entry = {
    id: '1',
    key: wabaId,
    kind: '',
    accountId: tenant.accountId,
    rowId: '',
    attempts: 0,
    appId: tenant.appId,
  }
  const receivedAtMs = (await stack.accounts.getConnection({ id: tenant.connectionId }, tenant))
    .connectedAtMs
  await stack.accounts.disconnect({ id: tenant.connectionId }, tenant)
  await stack.connectNumber(tenant, '101', undefined, '2003')
  await using ctx = await openContext<Context>(
    accountsService,
    configIn(stack.world, accountsService),
  )
  const part = { ...entry, asOfMs: receivedAtMs, body: Buffer.from(JSON.stringify(body)) }
  expect(await accountUpdate(ctx, wabaId, [part], {} as never)).toEqual([
    { id: '1', outcome: 'done' },
  ])
  expect(await stack.health(tenant)).toEqual(ok)
  expect(
    (await stack.accounts.listAccountEvents({ wabaId, field: '', limit: 0, beforeId: '' }, tenant))
      .events,
  ).toHaveLength(1)
})
