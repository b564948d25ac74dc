import { randomBytes, randomUUID } from 'node:crypto'
import { type KeyRing, secretPlaces } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { EventsDefinition } from '@lockstep/rpc/gen/events'
import { createSecrets, owning, startService } from '@lockstep/service'
import { createWorld, type World } from '@lockstep/testing'
import { configIn } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import { eventsService } from '../src/service.ts'

const old = { id: 1, key: randomBytes(32) }
const fresh = { id: 2, key: randomBytes(32) }

test('secrets of endpoints are sealed with the newest key, the one before too, and open without the old one', async () => {
  await using world = await createWorld()
  const kept = await insertEndpoint(world)
  // Bound to another row: it opens nowhere, is named, and is left as it is.
  const foreign = await insertEndpoint(world, randomUUID())
  await using both = await openEvents(world, [fresh, old])
  const table = 'webhook_endpoints'
  expect(await both.client.countSecrets({}, {})).toEqual({
    counts: [{ table, keyId: 1, secrets: 4 }],
    keyIds: [2, 1],
  })
  expect(await both.client.resealSecrets({ after: '' }, {})).toEqual({
    next: '',
    resealed: 1,
    unreadable: [`webhook_endpoints:${foreign.id}`],
    keyId: 2,
  })
  const [row] = await world.sql<{ secret: Buffer; previous: Buffer }>(
    `select sealed_secret as secret, sealed_previous as previous from events.webhook_endpoints where id = $1`,
    [kept.id],
  )
  const secrets = createSecrets([fresh])
  expect(secrets.open(row!.secret, kept.place)).toBe('whsec_now')
  expect(secrets.open(row!.previous, kept.place)).toBe('whsec_before')
  expect(await both.client.resealSecrets({ after: '' }, {})).toMatchObject({ resealed: 0 })
  const after = `webhook_endpoints:${[kept.id, foreign.id].sort()[1]}`
  expect(await both.client.resealSecrets({ after }, {})).toMatchObject({ unreadable: [] })
  await expect(both.client.resealSecrets({ after: 'nowhere' }, {})).rejects.toMatchObject({
    failure: 'invalid',
  })
})

/** An endpoint with two secrets of the old key; `sealedFor` another row when it is named. */
async function insertEndpoint(world: World, sealedFor?: string) {
  const [id, accountId] = [randomUUID(), randomUUID()]
  const place = secretPlaces.webhookEndpoint(sealedFor ?? id, accountId)
  const secrets = createSecrets([old])
  await world.sql(
    `insert into events.webhook_endpoints
       (id, account_id, url, description, topics, sealed_secret, sealed_previous, follows_after, created_at)
     values ($1, $2, 'https://example.com', '', '{campaigns}', $3, $4, 0, now())`,
    [id, accountId, secrets.seal('whsec_now', place), secrets.seal('whsec_before', place)],
  )
  return { id, place }
}

async function openEvents(world: World, encryptionKey: KeyRing) {
  await using stack = new AsyncDisposableStack()
  const config = { ...configIn(world, eventsService), encryptionKey }
  const { grpcPort } = stack.use(await startService(eventsService, config, { scale: 0.05 }))
  const client = stack.use(connect(EventsDefinition, `127.0.0.1:${grpcPort}`))
  return owning({ client }, stack)
}
