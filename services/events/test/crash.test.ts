import { randomUUID } from 'node:crypto'
import { secretPlaces } from '@lockstep/contracts'
import { createSecrets } from '@lockstep/service'
import { openWebhookReceiver, until } from '@lockstep/testing'
import { startSystem } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import { createSecret } from '../src/posting/signature.ts'

test('a process that is killed after a post and before its row posts once more, with the same id, and then goes on', {
  timeout: 120_000,
}, async () => {
  await using system = await startSystem({ services: ['accounts', 'campaigns'], scale: 0.1 })
  const first = await system.spawn('events')
  let isKilled = false
  await using receiver = await openWebhookReceiver((_post, response) => {
    if (isKilled) response.end('{}')
    else void kill().then(() => response.destroy())
  })
  async function kill(): Promise<void> {
    isKilled = true
    await first.stop('SIGKILL')
  }
  const { id: accountId } = await system.clients.accounts.createAccount({ name: 'Acme' }, {})
  const id = randomUUID()
  const place = secretPlaces.webhookEndpoint(id, accountId)
  const sealed = createSecrets(system.world.encryptionKey).seal(createSecret(), place)
  await system.world.sql(
    `insert into events.webhook_endpoints
       (id, account_id, url, description, topics, sealed_secret, follows_after, created_at)
     values ($1, $2, $3, '', '{campaigns}', $4, 0, now())`,
    [id, accountId, receiver.url, sealed],
  )
  const events = ['a', 'a', 'a'].map((subjectId) => ({
    kind: 'campaign.state',
    subjectId,
    body: {},
  }))
  await system.world.sql(
    `insert into campaigns.feed_open (lane, key, account_id, body)
     values ('events.campaigns', $1::text, $1::text::uuid, convert_to($2, 'UTF8'))`,
    [accountId, JSON.stringify(events)],
  )
  await until(() => isKilled)
  await using _second = await system.spawn('events')
  await until(async () => {
    const rows = await system.world.sql(
      `select from events.webhook_deliveries where endpoint_id = $1 and state = 'delivered'`,
      [id],
    )
    return rows.length === 3
  }, 60_000)
  const ids = receiver.posts.map(({ headers }) => headers['webhook-id'])
  expect(ids).toEqual([1, 1, 2, 3].map((n) => `${accountId}.${n}`))
})
