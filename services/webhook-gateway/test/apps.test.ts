import { randomUUID } from 'node:crypto'
import { shares } from '@lockstep/contracts'
import { openProxy, until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import { bodyOf, handshakeUrl, message, openWorld, post, startGateway } from './gateway.ts'

test('15,000 apps with long secrets hinder no start: an app is read when it is asked for, and no other', async () => {
  await using here = await openWorld()
  await here.world.sql(
    `insert into accounts.apps (id, account_id, name, meta_app_id, sealed_secret, sealed_previous_secret, sealed_verify_token, created_at)
     select gen_random_uuid(), $1, 'App', '1', s, s, s, now()
     from generate_series(1, 15000), (select decode(repeat('ab', 600), 'hex') as s) s`,
    [here.app.accountId],
  )
  await using gateway = await startGateway(here.config)
  expect(await post(gateway.origin, here.app, bodyOf(message('hello')))).toBe(200)
  expect(await gateway.metric('lockstep_webhook_apps', {})).toBe(1)
})

test('a stranger who asks for unknown apps at full rate costs a bounded rate of look-ups, and no known app its webhooks', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const { app } = here
  expect(await post(gateway.origin, app, bodyOf(message('before')))).toBe(200)
  const answers: Record<number, number> = {}
  let open = true
  const startedAt = performance.now()
  const strangers = Array.from({ length: 16 }, async () => {
    while (open) {
      const { status } = await fetch(`${gateway.origin}/webhooks/${randomUUID()}`)
      answers[status] = (answers[status] ?? 0) + 1
    }
  })
  for (let n = 0; n < 100; n++)
    expect(await post(gateway.origin, app, bodyOf(message(`${n}`)))).toBe(200)
  await until(() => (answers[503] ?? 0) > 500)
  open = false
  await Promise.all(strangers)
  const seconds = (performance.now() - startedAt) / 1000
  // Each answer 404 is a look-up, for no id came twice.
  expect(Object.keys(answers).toSorted()).toEqual(['404', '503'])
  expect(answers[404]).toBeLessThanOrEqual((seconds + 1) * shares.address_app_lookups.limit)
  await until(
    async () =>
      (await post(gateway.origin, await here.createApp(), bodyOf(message('new')))) === 200,
  )
})

test('that there is no such app is remembered for seconds, and forgotten at once when it is registered', async () => {
  await using here = await openWorld()
  await using accounts = await openProxy(`tcp://${here.config.addresses.accounts}`)
  await using gateway = await startGateway(
    {
      ...here.config,
      addresses: { ...here.config.addresses, accounts: new URL(accounts.url).host },
    },
    { scale: 100 },
  )
  const id = randomUUID()
  const ask = async () => (await fetch(`${gateway.origin}/webhooks/${id}`)).status
  expect(await ask()).toBe(404)
  await accounts.down()
  expect(await ask()).toBe(404)
  await accounts.up()
  const app = await here.createApp()
  await here.world.sql('update accounts.apps set id = $1 where id = $2', [id, app.id])
  expect(await ask()).toBe(404)
})

test('a secret that was rotated away signs no longer once its time is over', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const { app } = here
  const send = (secret: string) => post(gateway.origin, { ...app, secret }, bodyOf(message(secret)))
  expect(await send(app.secret)).toBe(200)
  await here.accounts.rotateAppSecret({ id: app.id, secret: 'second', previousValidMs: 2_000 }, app)
  await until(async () => (await send('second')) === 200)
  expect(await send(app.secret)).toBe(200)
  await until(async () => (await send(app.secret)) === 401)
  expect(await send('second')).toBe(200)
})

test('numbers that an app gains and loses are known at once', async () => {
  await using here = await openWorld()
  await using gateway = await startGateway(here.config)
  const { app } = here
  expect((await fetch(handshakeUrl(gateway.origin, app, app.verifyToken))).status).toBe(200)
  const outcome = async () => {
    expect(await post(gateway.origin, app, bodyOf(message('hello', '1003')))).toBe(200)
    const [part] = await here.world.sql<{ outcome: string | null }>(
      'select outcome from webhook_gateway.webhook_parts order by id desc limit 1',
    )
    return part!.outcome
  }
  expect(await outcome()).toBe(null)
  const [connection] = await here.world.sql<{ id: string }>(
    "select id from accounts.connections where phone_number_id = '1003'",
  )
  await here.accounts.disconnect({ id: connection!.id }, app)
  await until(async () => (await outcome()) === 'no_connection')
})
