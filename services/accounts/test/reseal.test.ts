import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { promisify } from 'node:util'
import { type KeyRing, type RingKey, secretPlaces } from '@lockstep/contracts'
import { withClient } from '@lockstep/database'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { createSecrets, owning, type Secrets, startService } from '@lockstep/service'
import { until, type World } from '@lockstep/testing'
import { configIn, startSystem, type TestSystem } from '@lockstep/testing/system'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accountsService } from '../src/service.ts'

/**
 * A key is replaced: what is new has the new one at once, what was there when it is sealed again,
 * and then nobody needs the old one.
 */
const stack = new AsyncDisposableStack()
let world: World
let graphUrl: string
let ports: TestSystem['ports']
let accountId: string
let appId: string
let connectionId: string
const old = { id: 1, key: randomBytes(32) }
const fresh = { id: 2, key: randomBytes(32) }

beforeAll(async () => {
  const system = stack.use(await startSystem({ services: ['contacts', 'events'] }))
  world = system.world
  graphUrl = system.simulator.url
  ports = system.ports
  await using before = await openAccounts(old.key)
  accountId = (await before.client.createAccount({ name: 'Acme' }, {})).id
  appId = (
    await before.client.createApp(
      { name: 'App', metaAppId: '1', secret: 'first', verifyToken: 'verify' },
      { accountId },
    )
  ).id
  await before.client.rotateAppSecret({ id: appId, secret: 'second' }, { accountId })
  connectionId = await insertConnection(createSecrets(old.key))
})
afterAll(() => stack.disposeAsync())

/** The service with a ring of keys, as a deployment would start it. */
async function openAccounts(ring: KeyRing) {
  await using stack = new AsyncDisposableStack()
  const config = { ...configIn(world, accountsService), graphUrl, encryptionKey: ring }
  const { grpcPort } = stack.use(await startService(accountsService, config, { scale: 0.05 }))
  const client = stack.use(connect(AccountsDefinition, `127.0.0.1:${grpcPort}`))
  return owning({ client, grpcPort }, stack)
}

type Client = Awaited<ReturnType<typeof openAccounts>>['client']

async function insertConnection(secrets: Secrets): Promise<string> {
  const id = uuid()
  await world.sql(
    `insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name,
       sealed_token, per_minute, per_second, max_per_second, quality, connected_at)
     values ($1, $2, 'n', '1001', 'w', $3, '+1', 'n', $4, 100, 80, 80, 'GREEN', now())`,
    [id, accountId, appId, secrets.seal('EAAG-token', secretPlaces.connection(id, accountId))],
  )
  return id
}

/** Every page, as the operator's command asks for them; answers what they said in all. */
async function resealAll(client: Client, after = '') {
  const all = { pages: 0, resealed: 0, unreadable: [] as string[], keyId: 0 }
  do {
    const { next, resealed, unreadable, keyId } = await client.resealSecrets(
      { after },
      { timeoutMs: 60_000 },
    )
    after = next
    all.pages += 1
    all.resealed += resealed
    all.unreadable.push(...unreadable)
    all.keyId = keyId
  } while (after)
  return all
}

/** What `npm run secrets` says, whatever its exit code. */
async function command(grpcPort: number, order = 'reseal'): Promise<unknown> {
  const script = path.resolve(import.meta.dirname, '../../../tools/dev/secrets.ts')
  const env = {
    ...process.env,
    LOCKSTEP_ACCOUNTS_ADDRESS: `127.0.0.1:${grpcPort}`,
    LOCKSTEP_CONTACTS_ADDRESS: `127.0.0.1:${ports.contacts.grpc}`,
    LOCKSTEP_EVENTS_ADDRESS: `127.0.0.1:${ports.events.grpc}`,
  }
  const asked = promisify(execFile)(process.execPath, [script, order, '--json'], { env })
  const { stdout } = await asked.catch((failed: { stdout: string; code: number }) => failed)
  return JSON.parse(stdout)
}

/** What the gateway and campaigns get, opened with a ring. */
async function secretsOf(client: Client, ring: KeyRing) {
  const { app } = await client.getWebhookApp({ id: appId }, {})
  const { sealedToken } = await client.getConnection({ id: connectionId }, { accountId })
  const secrets = createSecrets(ring)
  const place = secretPlaces.appSecret(appId, accountId)
  return [
    secrets.open(app!.sealedSecret, place),
    secrets.open(app!.sealedPreviousSecret, place),
    secrets.open(app!.sealedVerifyToken, secretPlaces.appVerifyToken(appId, accountId)),
    secrets.open(sealedToken, secretPlaces.connection(connectionId, accountId)),
  ]
}

const secretsThen = ['second', 'first', 'verify', 'EAAG-token']
const keysInUse = () =>
  world.sql<{ key: number }>(`select distinct get_byte(s, 0) as key from (
    select unnest(array[sealed_secret, sealed_previous_secret, sealed_verify_token]) as s from accounts.apps
    union all select sealed_token from accounts.connections) all_of_them where s is not null order by 1`)

test('a ring opens what either key has sealed; sealed again, in pages, all of it opens without the old key', async () => {
  await world.sql(
    `insert into accounts.apps (id, account_id, name, meta_app_id, sealed_secret, sealed_verify_token, created_at)
     select gen_random_uuid(), $1, 'App', '1', sealed_secret, sealed_verify_token, now()
     from accounts.apps cross join generate_series(1, 450) where id = $2`,
    [accountId, appId],
  )
  await using both = await openAccounts([fresh, old])
  const made = await both.client.createApp(
    { name: 'New', metaAppId: '2', secret: 's', verifyToken: 'v' },
    { accountId },
  )
  expect(await secretsOf(both.client, [fresh, old])).toEqual(secretsThen)
  expect(await keysInUse()).toEqual([{ key: 1 }, { key: 2 }])

  // The copies are bound to another row: they open nowhere, are named, and are left as they are.
  const first = await resealAll(both.client)
  expect(first).toMatchObject({ resealed: 2, keyId: 2, pages: 7 })
  expect(first.unreadable).toHaveLength(450)
  expect(first.unreadable).not.toContain(`apps:${made.id}`)
  await world.sql('delete from accounts.apps where account_id = $1 and id <> $2 and id <> $3', [
    accountId,
    appId,
    made.id,
  ])
  expect(await keysInUse()).toEqual([{ key: 2 }])
  expect(await resealAll(both.client)).toEqual({ pages: 5, resealed: 0, unreadable: [], keyId: 2 })
  expect(await command(both.grpcPort)).toEqual({
    resealed: 0,
    unreadable: [],
    keyIds: { accounts: 2, contacts: 1, events: 1 },
  })

  await using alone = await openAccounts([fresh])
  expect(await secretsOf(alone.client, [fresh])).toEqual(secretsThen)
  await expect(async () => secretsOf(alone.client, old.key)).rejects.toThrow(/has no key 2/)
})

test('a run that was broken off goes on where it was, and a place that no run has answered is refused', async () => {
  const third = { id: 3, key: randomBytes(32) }
  await using next = await openAccounts([third, fresh])
  const { resealed, keyId } = await resealAll(
    next.client,
    `connections:00000000-0000-0000-0000-000000000000`,
  )
  expect({ resealed, keyId }).toEqual({ resealed: 1, keyId: 3 })
  expect(await keysInUse()).toEqual([{ key: 2 }, { key: 3 }])
  for (const after of [
    'nowhere',
    `accounts:${appId}`,
    'apps:',
    `apps:${appId} `,
    `constructor:${appId}`,
  ])
    await expect(next.client.resealSecrets({ after }, {})).rejects.toMatchObject({
      failure: 'invalid',
    })
  await resealAll(next.client)
  expect(await secretsOf(next.client, [third])).toEqual(secretsThen)
})

test('a secret that is replaced while its row is sealed again is the new one afterwards', async () => {
  const fourth = { id: 4, key: randomBytes(32) }
  const third = await underAnotherKey()
  await using both = await openAccounts([fourth, third])
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename = 'accounts' and datname = current_database()"
  const untilWaiting = (count: number) =>
    until(async () => (await world.sql(waiting)).length === count)
  const done = await withClient(world.adminUrl, async (client) => {
    await client.query('begin')
    await client.query('select 1 from accounts.apps where id = $1 for update', [appId])
    const rotating = both.client.rotateAppSecret({ id: appId, secret: 'third' }, { accountId })
    await untilWaiting(1)
    const resealing = resealAll(both.client)
    await untilWaiting(2)
    await client.query('rollback')
    return [rotating, resealing] as const
  })
  await Promise.all(done)
  expect(await secretsOf(both.client, [fourth, third])).toEqual([
    'third',
    'second',
    'verify',
    'EAAG-token',
  ])
  await resealAll(both.client)
  expect(await keysInUse()).toEqual([{ key: 4 }])
})

test('secrets are counted by the key that sealed them: one with none may go, one that is missing is named', async () => {
  const used = await underAnotherKey()
  const [sixth, seventh] = [6, 7].map((id) => ({ id, key: randomBytes(32) }))
  const ofAccounts = async (grpcPort: number) =>
    ((await command(grpcPort, 'status')) as { service: string; key: number }[])
      .filter(({ service }) => service === 'accounts')
      .map(({ service: _, ...rest }) => rest)
  {
    await using both = await openAccounts([sixth!, used])
    expect(await both.client.countSecrets({}, {})).toEqual({
      counts: [
        { table: 'apps', keyId: 5, secrets: 3 },
        { table: 'connections', keyId: 5, secrets: 1 },
      ],
      keyIds: [6, 5],
    })
    expect(await ofAccounts(both.grpcPort)).toEqual([
      { key: 6, secrets: 0, state: 'newest' },
      { key: 5, secrets: 4, state: 'in use' },
    ])
    await resealAll(both.client)
    expect(await ofAccounts(both.grpcPort)).toEqual([
      { key: 6, secrets: 4, state: 'newest' },
      { key: 5, secrets: 0, state: 'unused' },
    ])
  }
  await using without = await openAccounts([seventh!])
  expect(await ofAccounts(without.grpcPort)).toEqual([
    { key: 7, secrets: 0, state: 'newest' },
    { key: 6, secrets: 4, state: 'missing' },
  ])
})

/** All rows sealed with a key that this answers. */
async function underAnotherKey() {
  const key = { id: 5, key: randomBytes(32) }
  const secrets = createSecrets([key])
  const place = secretPlaces.appSecret(appId, accountId)
  await world.sql('delete from accounts.apps where id <> $1', [appId])
  await world.sql(
    'update accounts.apps set sealed_secret = $1, sealed_previous_secret = $2, sealed_verify_token = $3',
    [
      secrets.seal('second', place),
      secrets.seal('first', place),
      secrets.seal('verify', secretPlaces.appVerifyToken(appId, accountId)),
    ],
  )
  await world.sql('update accounts.connections set sealed_token = $1', [
    secrets.seal('EAAG-token', secretPlaces.connection(connectionId, accountId)),
  ])
  return key
}

test('the secrets of second factors, and of mails that wait, are sealed again too', async () => {
  const [before, after] = [8, 9].map((id) => ({ id, key: randomBytes(32) })) as [RingKey, RingKey]
  const sealing = createSecrets([before])
  const [person, invitation, mail] = [uuid(), uuid(), uuid()]
  const places = [secretPlaces.secondFactor(person, accountId), secretPlaces.mail(mail, accountId)]
  const [secret, token] = places.map((place, at) => sealing.seal(`secret ${at}`, place))
  await world.sql(
    "insert into accounts.people (id, email, name, password_hash, created_at) values ($1, 'ana@example.com', 'Ana', '', now())",
    [person],
  )
  await world.sql(
    'insert into accounts.second_factors (id, account_id, sealed_secret, created_at, last_step) values ($1, $2, $3, now(), 0)',
    [person, accountId, secret],
  )
  await world.sql(
    "insert into accounts.invitations (id, account_id, email, role, hash, created_at, expires_at) values ($1, $2, '', 'viewer', '', now(), now())",
    [invitation, accountId],
  )
  await world.sql(
    "insert into accounts.mails (id, account_id, invitation_id, recipient, sealed_token, created_at, expires_at) values ($1, $2, $3, '', $4, now(), now())",
    [mail, accountId, invitation, token],
  )
  await using both = await openAccounts([after, before])
  const first = 'second_factors:00000000-0000-0000-0000-000000000000'
  expect(await resealAll(both.client, first)).toMatchObject({ resealed: 2, unreadable: [] })
  const rows = await world.sql<{ sealed: Buffer }>(
    'select sealed_secret as sealed from accounts.second_factors union all select sealed_token from accounts.mails',
  )
  const opening = createSecrets([after])
  const opened = rows.map(({ sealed }, at) => opening.open(sealed, places[at]!))
  expect(opened).toEqual(['secret 0', 'secret 1'])
})
