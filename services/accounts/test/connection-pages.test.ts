import type { Connection } from '@lockstep/rpc/gen/accounts'
import { owning } from '@lockstep/service'
import { startSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'

const numbers = 9_000

/**
 * The service, with an account that has thousands of numbers of one app: every hundredth has ended,
 * half of these lately.
 */
async function openLargeAccount() {
  await using stack = new AsyncDisposableStack()
  const system = stack.use(await startSystem({ services: ['accounts'], scale: 0.05 }))
  const { world, clients } = system
  const { accounts } = clients
  const { id: accountId } = await accounts.createAccount({ name: 'Chain' }, {})
  const call = { accountId }
  const { id: appId } = await accounts.createApp(
    { name: 'App', metaAppId: '1', secret: 's', verifyToken: 'v' },
    call,
  )
  await world.sql(
    `with c as (insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name, sealed_token,
       per_minute, per_second, max_per_second, quality, connected_at, disconnected_at)
     select ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, $1, 'Branch ' || i, (100000 + i)::text, (i % 500)::text, $2, '+1', 'Chain',
       '', 100, 80, 80, 'GREEN', now() - interval '1 year',
       case when i % 100 = 0 then now() - case when i % 200 = 0 then interval '1 day' else interval '40 days' end end
     from generate_series(1, $3::int) i returning *)
     insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at, disconnected_at)
     select id, account_id, phone_number_id, app_id, waba_id, connected_at, disconnected_at from c`,
    [accountId, appId, numbers],
  )
  return owning({ world, accounts, call, appId }, stack)
}

test('pages list every connection of the account once, oldest first, and nothing of another account', async () => {
  await using large = await openLargeAccount()
  const { accounts, call } = large
  const all: Connection[] = []
  for (let page: Connection[] | undefined; page?.length !== 0; all.push(...page))
    page = (await accounts.listConnections({ after: all.at(-1)?.id ?? '', limit: 200 }, call))
      .connections
  expect(all).toHaveLength(numbers)
  expect(new Set(all.map(({ id }) => id)).size).toBe(numbers)
  expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).toSorted())
  expect(all.filter(({ disconnectedAtMs }) => disconnectedAtMs !== undefined)).toHaveLength(
    numbers / 100,
  )

  expect((await accounts.listConnections({}, call)).connections).toEqual(all.slice(0, 50))
  for (const limit of [201, -1])
    await expect(accounts.listConnections({ limit }, call)).rejects.toMatchObject({
      failure: 'invalid',
    })
  await expect(accounts.listConnections({ after: 'x' }, call)).rejects.toMatchObject({
    failure: 'not_found',
  })
  const other = await accounts.createAccount({ name: 'Other' }, {})
  expect(
    (await accounts.listConnections({ after: all[0]!.id }, { accountId: other.id })).connections,
  ).toEqual([])
})

test('an app of thousands of numbers is one answer, which leaves none of them out', async () => {
  await using large = await openLargeAccount()
  const { phoneNumberIds, wabaIds, formerPhoneNumberIds } = await large.accounts.getWebhookApp(
    { id: large.appId },
    {},
  )
  const numbersWhere = (is: (i: number) => boolean) =>
    Array.from({ length: numbers }, (_, i) => i + 1).flatMap((i) =>
      is(i) ? [String(100_000 + i)] : [],
    )
  expect(phoneNumberIds.toSorted()).toEqual(numbersWhere((i) => i % 100 !== 0))
  expect(formerPhoneNumberIds.toSorted()).toEqual(numbersWhere((i) => i % 200 === 0))
  expect(wabaIds.map(Number).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 500 }, (_, i) => i).filter((waba) => waba % 100 !== 0),
  )
})
