import { randomUUID } from 'node:crypto'
import type { World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { applyChanges } from '../src/outcomes/apply-changes.ts'
import { campaignChanges } from '../src/outcomes/campaign-change.ts'
import { openPlace } from './fixtures.ts'

const stack = new AsyncDisposableStack()
let world: World
let ctx: Context
beforeAll(async () => {
  ;({ world, ctx } = stack.use(await openPlace()))
})
afterAll(() => stack.disposeAsync())

const accountId = randomUUID()

/** A completed campaign with one recipient whose attempt was given up as unknown. */
async function completed(): Promise<{ id: string; attemptId: string }> {
  const id = randomUUID()
  await world.sql(
    `insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at, finished_at)
     values ($1, $2, 'Spring', gen_random_uuid(), '101', gen_random_uuid(), gen_random_uuid(), '{}', '{}', 'completed', now(), now())`,
    [id, accountId],
  )
  await world.sql(
    'insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, unknown) values ($1, $2, 1, 1)',
    [id, accountId],
  )
  const [attempt] = await world.sql<{ id: string }>(
    `with r as (insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempts)
                values ($2, $1, gen_random_uuid(), gen_random_uuid(), '+4915112345678', '', '{}', 'unknown', 1) returning id)
     insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, fence, outcome)
     select $2, $1, id, 1, 1, 'unknown' from r returning id::text`,
    [id, accountId],
  )
  await world.sql('update campaigns.recipients set attempt_id = $2 where campaign_id = $1', [
    id,
    attempt!.id,
  ])
  return { id, attemptId: attempt!.id }
}

const state = async (id: string) =>
  (
    await world.sql(
      `select c.state, r.state as recipient, s.queued, s.unknown, s.rejected,
              (select count(*)::int from campaigns.feed_open f where f.lane = 'campaigns.run' and f.key = c.id::text) as entries
       from campaigns.campaigns c join campaigns.recipients r on r.campaign_id = c.id join campaigns.campaign_statistics s on s.campaign_id = c.id
       where c.id = $1`,
      [id],
    )
  )[0]

test('a process that comes back and knows that it wrote nothing puts the recipient into the queue of the campaign, which goes on', async () => {
  const { id, attemptId } = await completed()
  const change = { kind: 'not_sent', at: new Date(), reason: 'its time had passed' } as const
  await ctx.db.transaction(accountId, (tx) =>
    applyChanges(ctx, tx, campaignChanges(accountId, id, [{ attemptId, change }])),
  )
  expect(await state(id)).toEqual({
    state: 'sending',
    recipient: 'queued',
    queued: 1,
    unknown: 0,
    rejected: 0,
    entries: 1,
  })
})

test('a process that comes back with an answer of Meta ends the matter', async () => {
  const { id, attemptId } = await completed()
  const change = { kind: 'rejected', at: new Date(), code: 131009, reason: 'refused' } as const
  await ctx.db.transaction(accountId, (tx) =>
    applyChanges(ctx, tx, campaignChanges(accountId, id, [{ attemptId, change }])),
  )
  expect(await state(id)).toEqual({
    state: 'completed',
    recipient: 'rejected',
    queued: 0,
    unknown: 0,
    rejected: 1,
    entries: 0,
  })
})
