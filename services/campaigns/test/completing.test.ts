import { holdFenced } from '@lockstep/service'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findCampaign } from '../src/db/campaigns.ts'
import { complete, completeIn } from '../src/lifecycle/complete.ts'
import { applyChanges } from '../src/outcomes/apply-changes.ts'
import { campaignChanges } from '../src/outcomes/campaign-change.ts'
import { campaignQueue } from '../src/sending/campaign-queue.ts'
import { campaignWith, openPlace, type Place, type Sent } from './fixtures.ts'

const up = new AsyncDisposableStack()
let place: Place
beforeAll(async () => {
  place = up.use(await openPlace())
})
afterAll(() => up.disposeAsync())

/** A sending campaign whose one attempt was given up as unknown: nobody is queued or under way. */
async function almostDone(): Promise<Sent> {
  const sent = await campaignWith(place, 'sending', 1)
  await record(sent, { kind: 'unknown', at: new Date(), reason: 'its process seems to have ended' })
  return sent
}

type Outcome = Parameters<typeof applyChanges>[2][number]['change']
const changes = ({ accountId, campaignId, attempts }: Sent, change: Outcome) =>
  campaignChanges(accountId, campaignId, [{ attemptId: attempts[0]!.id, change }])
const record = (sent: Sent, change: Outcome) =>
  place.ctx.db.transaction(sent.accountId, (tx) =>
    applyChanges(place.ctx, tx, changes(sent, change)),
  )
const notSent = (): Outcome => ({ kind: 'not_sent', at: new Date(), reason: 'its time had passed' })

const state = async ({ campaignId }: Sent) =>
  (
    await place.world.sql(
      `select c.state, r.state as recipient from campaigns.campaigns c join campaigns.recipients r on r.campaign_id = c.id where c.id = $1`,
      [campaignId],
    )
  )[0]

/**
 * Does `first` in a transaction that commits only when `second` waits for its lock, or has ended
 * without waiting.
 */
async function interleaved(
  accountId: string,
  first: Parameters<typeof place.ctx.db.transaction>[1],
  second: () => Promise<unknown>,
) {
  let ended = false
  let other: Promise<unknown> | undefined
  await place.ctx.db.transaction(accountId, async (tx) => {
    await first(tx)
    other = second().finally(() => {
      ended = true
    })
    await until(async () => ended || (await waitsForLock()))
  })
  await other
}

const waitsForLock = async () =>
  (
    await place.world.sql(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    )
  ).length > 0

test('a campaign that completes while somebody is being put back into its queue does not complete', async () => {
  const sent = await almostDone()
  let done: boolean | undefined
  await interleaved(
    sent.accountId,
    (tx) => applyChanges(place.ctx, tx, changes(sent, notSent())),
    async () => {
      done = await complete(place.ctx, { id: sent.campaignId, accountId: sent.accountId })
    },
  )
  expect(done).toBe(false)
  expect(await state(sent)).toEqual({ state: 'sending', recipient: 'queued' })
})

test('somebody who is put back while the campaign is being completed brings it back to sending', async () => {
  const sent = await almostDone()
  await interleaved(
    sent.accountId,
    async (tx) => expect(await completeIn(place.ctx, tx, sent.campaignId)).toBe(true),
    () => record(sent, notSent()),
  )
  expect(await state(sent)).toEqual({ state: 'sending', recipient: 'queued' })
})

test('a campaign of which Meta refused every message completes with the words', async () => {
  const sent = await almostDone()
  await record(sent, { kind: 'rejected', at: new Date(), code: 130497, reason: 'not this country' })
  expect(await complete(place.ctx, { id: sent.campaignId, accountId: sent.accountId })).toBe(true)
  expect(
    await place.world.sql('select state, reason from campaigns.campaigns where id = $1', [
      sent.campaignId,
    ]),
  ).toEqual([
    {
      state: 'completed',
      reason:
        'Nobody was written to: Meta refused the one message. The list of recipients says why.',
    },
  ])
})

test('a claim under a fence that a newer holder has raised claims nothing, and says so', async () => {
  const sent = await almostDone()
  const { accountId, campaignId } = sent
  await record(sent, notSent())
  const campaign = await place.ctx.db.transaction(accountId, (tx) => findCampaign(tx, campaignId))
  const template = { name: 'hello', language: 'en_US', components: [] }
  const hold = async () => {
    await using lock = await holdFenced(place.ctx, 'campaign_send', campaignId)
    return lock
  }
  const older = await hold()
  const newer = await hold()
  await expect(campaignQueue(place.ctx, campaign, template, older).claim(10)).rejects.toMatchObject(
    { failure: 'conflict' },
  )
  expect(await state(sent)).toEqual({ state: 'sending', recipient: 'queued' })
  expect(await campaignQueue(place.ctx, campaign, template, newer).claim(10)).toHaveLength(1)
})
