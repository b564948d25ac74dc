import type { OutcomeChange } from '@lockstep/sending'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeResumed } from '../src/db/campaigns.ts'
import { applyOutcomes, runLength } from '../src/outcomes/refused-run.ts'
import { campaignWith, openPlace, type Place, type Sent } from './fixtures.ts'

/**
 * Refusals that may meet everybody stop a campaign of which Meta has taken nothing, and reject
 * nobody.
 */
const up = new AsyncDisposableStack()
let place: Place
beforeAll(async () => {
  place = up.use(await openPlace())
})
afterAll(() => up.disposeAsync())

const least = runLength(0)
const refused = (
  code: number | null = 100,
  reason = 'A parameter is not valid.',
): OutcomeChange => {
  return { kind: 'rejected', at: new Date(), code, reason }
}
const accepted = (): OutcomeChange => ({
  kind: 'accepted',
  at: new Date(),
  wamid: `wamid.${Math.random()}`,
})

/** Records answers to a campaign's attempts, as one group of outcomes. */
const answer = (
  { accountId, campaignId, attempts }: Sent,
  from: number,
  changes: OutcomeChange[],
) =>
  place.ctx.db.transaction(accountId, (tx) =>
    applyOutcomes(
      place.ctx,
      tx,
      { id: campaignId, accountId },
      changes.map((change, i) => ({ attemptId: attempts[from + i]!.id, change })),
    ),
  )
const times = (count: number, change = refused()) => Array.from({ length: count }, () => change)

async function seen({ campaignId }: Sent) {
  const [campaign] = await place.world.sql<{
    state: string
    reason: string
    queued: number
    rejected: number
    sending: number
  }>(
    `select c.state, c.reason, s.queued, s.rejected, s.sending from campaigns.campaigns c
     join campaigns.campaign_statistics s on s.campaign_id = c.id where c.id = $1`,
    [campaignId],
  )
  const people = await place.world.sql<{ state: string; count: number }>(
    'select state, count(*)::int from campaigns.recipients where campaign_id = $1 group by state',
    [campaignId],
  )
  const byState = Object.fromEntries(people.map(({ state, count }) => [state, count]))
  const { queued, rejected, sending, ...rest } = campaign!
  expect({ queued: 0, rejected: 0, sending: 0, ...byState }).toMatchObject({
    queued,
    rejected,
    sending,
  })
  return { ...rest, queued, rejected, sending }
}

/** A person lets it go on; the attempts named are claimed anew. */
async function resume({ accountId, campaignId, attempts }: Sent, newer: number): Promise<void> {
  await place.ctx.db.transaction(accountId, (tx) => writeResumed(tx, campaignId))
  await place.world.sql(
    "update campaigns.campaigns set state = 'sending', reason = '' where id = $1",
    [campaignId],
  )
  const made = await place.world.sql<{ id: string; wamid: string }>(
    `insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, fence)
     select account_id, campaign_id, id, 2, 2 from campaigns.recipients where campaign_id = $1 and state = 'queued' order by id limit $2
     returning id::text, '' as wamid`,
    [campaignId, newer],
  )
  await place.world.sql(
    `with r as (update campaigns.recipients r set state = 'sending', not_before = null, attempt_id = a.id, attempts = 2 from campaigns.attempts a
                where a.campaign_id = $1 and r.campaign_id = $1 and a.recipient_id = r.id and a.number = 2 and r.state = 'queued' returning 1)
     update campaigns.campaign_statistics set sending = sending + (select count(*) from r), queued = queued - (select count(*) from r)
     where campaign_id = $1`,
    [campaignId],
  )
  attempts.push(...made)
}

test('a run of the same refusal pauses the campaign with the words and puts everybody back; the attempts keep what Meta answered', async () => {
  const sent = await campaignWith(place, 'sending', least + 5)
  expect(await answer(sent, 0, times(least - 1))).toBe('open')
  expect(await seen(sent)).toMatchObject({ state: 'sending', rejected: least - 1, queued: 0 })
  expect(await answer(sent, least - 1, times(1))).toBe('stopped')
  const { reason, ...counts } = await seen(sent)
  expect(counts).toMatchObject({ state: 'paused', rejected: 0, queued: least, sending: 5 })
  expect(reason).toBe(
    `Meta has taken no message, and refused ${least} alike: A parameter is not valid. Nobody is lost: they wait to be written to. Mend it, then resume.`,
  )
  expect(
    await place.world.sql(
      'select distinct outcome, code, reason from campaigns.attempts where campaign_id = $1 and code is not null',
      [sent.campaignId],
    ),
  ).toEqual([{ outcome: 'not_sent', code: 100, reason: 'A parameter is not valid.' }])
  expect(await answer(sent, least, times(5)), 'answers that were under way').toBe('stopped')
  expect(await seen(sent)).toMatchObject({
    state: 'paused',
    rejected: 0,
    queued: least + 5,
    sending: 0,
  })
})

test('an answer stops by what it was read as, not by its code alone: the first one pauses, and its person waits with the words', async () => {
  const sent = await campaignWith(place, 'sending', 2)
  const stop = {
    kind: 'not_sent',
    at: new Date(),
    code: 100,
    reason: 'This number is gone.',
    details: 'No such object',
    isStop: true,
  } as const
  await answer(sent, 0, [stop])
  expect(await seen(sent)).toMatchObject({
    state: 'paused',
    reason: 'This number is gone.',
    queued: 1,
    sending: 1,
  })
  const told =
    'select a.reason as attempt, r.reason from campaigns.attempts a join campaigns.recipients r on r.attempt_id = a.id where a.id = $1'
  expect(await place.world.sql(told, [sent.attempts[0]!.id])).toEqual([
    { attempt: 'This number is gone. Meta says: No such object', reason: 'This number is gone.' },
  ])
})

test('answers that are recorded by many at the same moment are counted together', async () => {
  const sent = await campaignWith(place, 'sending', least)
  await Promise.all(sent.attempts.map((_, i) => answer(sent, i, times(1))))
  expect(await seen(sent)).toMatchObject({ state: 'paused', rejected: 0, queued: least })
})

test('one message that Meta took, before or with the refusals, shows that they are of single messages', async () => {
  const before = await campaignWith(place, 'sending', 3 * least)
  await answer(before, 0, [accepted()])
  await answer(before, 1, times(2 * least))
  expect(await seen(before)).toMatchObject({ state: 'sending', rejected: 2 * least, queued: 0 })
  const beside = await campaignWith(place, 'sending', 3 * least)
  await answer(beside, 0, [...times(2 * least), accepted()])
  expect(await seen(beside)).toMatchObject({ state: 'sending', rejected: 2 * least, queued: 0 })
})

test('refusals of persons and countries make no run, different ones neither; without a code the words tell', async () => {
  const person = await campaignWith(place, 'sending', 2 * least)
  await answer(person, 0, times(2 * least, refused(130497)))
  expect(await seen(person)).toMatchObject({ state: 'sending', rejected: 2 * least })
  const mixed = await campaignWith(place, 'sending', 2 * least)
  await answer(mixed, 0, [...times(least - 1), ...times(least - 1, refused(131009))])
  expect(await seen(mixed)).toMatchObject({ state: 'sending', rejected: 2 * (least - 1) })
  const plain = await campaignWith(place, 'sending', 2 * least)
  for (let i = 0; i < least - 1; i++) await answer(plain, i, [refused(null, `no number ${i}`)])
  expect(await seen(plain)).toMatchObject({ state: 'sending', rejected: least - 1 })
  await answer(plain, least - 1, times(least, refused(null, 'it could not be built')))
  expect(await seen(plain)).toMatchObject({ state: 'paused', rejected: least - 1, queued: least })
})

test('who lets it go on all the same gets twice as many answers before it stops again; answers from before do not stop it', async () => {
  const sent = await campaignWith(place, 'sending', 2 * least + 5)
  await answer(sent, 0, times(2 * least))
  expect(await seen(sent)).toMatchObject({ state: 'paused', queued: 2 * least })
  await resume(sent, 2 * least)
  await answer(sent, 2 * least, times(5))
  expect(await seen(sent), 'claimed before the order').toMatchObject({
    state: 'sending',
    rejected: 0,
    queued: 5,
  })
  await answer(sent, 2 * least + 5, times(2 * least - 1))
  expect(await seen(sent)).toMatchObject({ state: 'sending', rejected: 2 * least - 1 })
  await answer(sent, 4 * least + 4, times(1))
  expect(await seen(sent)).toMatchObject({ state: 'paused', rejected: 0, queued: 2 * least + 5 })
})
