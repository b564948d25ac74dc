import { randomUUID } from 'node:crypto'
import { openContext } from '@lockstep/service'
import { createWorld, type World } from '@lockstep/testing'
import { configIn } from '@lockstep/testing/system'
import type { Context } from '../src/context.ts'
import { campaignsService } from '../src/service.ts'

export interface Place extends AsyncDisposable {
  world: World
  ctx: Context
}

/** A world with the service's context, and nobody who works on it. */
export async function openPlace(): Promise<Place> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld())
  const config = configIn(world, campaignsService, {
    LOCKSTEP_SEND_CONCURRENCY: '1',
    LOCKSTEP_SEND_SOCKETS: '1',
  })
  const ctx = stack.use(await openContext<Context>(campaignsService, config, { scale: 0.1 }))
  const opened = stack.move()
  return { world, ctx, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

export interface Sent {
  accountId: string
  campaignId: string
  appId: string
  phoneNumberId: string
  attempts: { id: string; wamid: string }[]
}

let numbers = 100

/**
 * A campaign of an account of its own, with attempts whose outcome is `sending` since an hour or
 * accepted.
 */
export async function campaignWith(
  { world }: Place,
  outcome: 'sending' | 'accepted',
  count: number,
): Promise<Sent> {
  const [accountId, campaignId, appId] = [randomUUID(), randomUUID(), randomUUID()]
  const phoneNumberId = String(++numbers)
  await world.sql(
    `insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
     values ($1, $2, 'Spring', gen_random_uuid(), $3, $4, gen_random_uuid(), '{}', '{}', 'sending', now())`,
    [campaignId, accountId, phoneNumberId, appId],
  )
  await world.sql(
    `insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, ${outcome}) values ($1, $2, $3, $3)`,
    [campaignId, accountId, count],
  )
  const attempts = await world.sql<{ id: string; wamid: string }>(
    `with r as (insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempts)
                select $2, $1, gen_random_uuid(), gen_random_uuid(), '+4915112345678', '', '{}', $3, 1 from generate_series(1, $4::int) returning id)
     insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, fence, outcome, claimed_at, wamid, accepted_at)
     select $2, $1, id, 1, 1, $3, now() - interval '1 hour', case $3 when 'accepted' then 'wamid.' || id end, case $3 when 'accepted' then now() end
     from r returning id::text, wamid`,
    [campaignId, accountId, outcome, count],
  )
  await world.sql(
    'update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a where r.campaign_id = $1 and a.campaign_id = $1 and a.recipient_id = r.id',
    [campaignId],
  )
  return { accountId, campaignId, appId, phoneNumberId, attempts }
}
