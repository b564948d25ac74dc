import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { ban, now, ok, openStack, update, wabaId } from './account-stack.ts'

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
