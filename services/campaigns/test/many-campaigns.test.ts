import type { FeedEntry } from '@lockstep/feeds'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expireSending } from '../src/jobs/expire-sending.ts'
import { forgetCampaigns } from '../src/jobs/forget-campaigns.ts'
import { messageStatus } from '../src/lanes/message-status.ts'
import { recordStatuses } from '../src/rpc/record-statuses.ts'
import { campaignWith, openPlace, type Place, type Sent } from './fixtures.ts'

const stack = new AsyncDisposableStack()
let place: Place
beforeAll(async () => {
  place = stack.use(await openPlace())
})
afterAll(() => stack.disposeAsync())

const lease = { signal: new AbortController().signal, isHeld: () => true }
let entries = 0

/** A part of a webhook with one status of an attempt. */
function statusOf(
  sent: Sent,
  attempt: Sent['attempts'][number],
  status: string,
  change: Partial<FeedEntry> = {},
): FeedEntry {
  const { campaignId, appId, phoneNumberId } = sent
  const token = place.ctx.tokens.issue({
    kind: 'c',
    ownerId: campaignId,
    attemptId: attempt.id,
    phoneNumberId,
  })
  const said = {
    id: attempt.wamid,
    status,
    timestamp: '1767225600',
    recipient_id: '491511234',
    biz_opaque_callback_data: token,
  }
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: phoneNumberId },
    statuses: [said],
  }
  const body = Buffer.from(
    JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
    }),
  )
  return {
    id: String(++entries),
    key: campaignId,
    kind: '',
    accountId: '',
    rowId: '',
    body,
    attempts: 0,
    asOfMs: 0,
    appId,
    ...change,
  }
}

const facts = ({ campaignId }: Sent) =>
  place.world.sql(
    `select r.state, a.xmin::text as transaction from campaigns.attempts a
     join campaigns.recipients r on r.campaign_id = a.campaign_id and r.attempt_id = a.id where a.campaign_id = $1 order by a.id`,
    [campaignId],
  )
const statistics = async ({ campaignId }: Sent) =>
  (
    await place.world.sql(
      'select accepted, sent, delivered, read, unknown from campaigns.campaign_statistics where campaign_id = $1',
      [campaignId],
    )
  )[0]

test('statuses of many campaigns of many accounts are one transaction, and each campaign counts its own', async () => {
  const all = await Promise.all(
    Array.from({ length: 30 }, () => campaignWith(place, 'accepted', 2)),
  )
  const said = all.flatMap((sent) => [
    statusOf(sent, sent.attempts[0]!, 'read'),
    statusOf(sent, sent.attempts[1]!, 'sent'),
  ])
  const results = await messageStatus(place.ctx, said, lease)
  expect(results.map((result) => 'outcome' in result && result.outcome)).toEqual(
    said.map(() => 'done'),
  )
  const rows = await Promise.all(all.map(facts))
  for (const own of rows) expect(own.map(({ state }) => state)).toEqual(['read', 'sent'])
  expect(new Set(rows.flat().map(({ transaction }) => transaction)).size).toBe(1)
  for (const sent of all)
    expect(await statistics(sent)).toEqual({
      accepted: 2,
      sent: 2,
      delivered: 1,
      read: 1,
      unknown: 0,
    })
})

test('of a set only those count whose app, number and campaign are right; the others cost them nothing', async () => {
  const [one, other] = [
    await campaignWith(place, 'accepted', 1),
    await campaignWith(place, 'accepted', 1),
  ]
  const attempt = one.attempts[0]!
  const results = await messageStatus(
    place.ctx,
    [
      statusOf(one, attempt, 'read', { appId: other.appId }),
      statusOf({ ...one, phoneNumberId: other.phoneNumberId }, attempt, 'read'),
      statusOf(
        {
          ...one,
          campaignId: other.campaignId,
          appId: other.appId,
          phoneNumberId: other.phoneNumberId,
        },
        attempt,
        'read',
      ),
      statusOf(one, attempt, 'read', { key: '01990000-0000-7000-8000-000000000009' }),
      statusOf(one, attempt, 'read', { key: 'no-campaign' }),
      statusOf(other, other.attempts[0]!, 'delivered'),
    ],
    lease,
  )
  expect(results.map((result) => 'outcome' in result && result.outcome)).toEqual([
    'wrong_app',
    'no_match',
    'no_match',
    'no_match',
    'no_match',
    'done',
  ])
  expect(await statistics(one)).toMatchObject({ sent: 0, delivered: 0, read: 0 })
  expect(await statistics(other)).toMatchObject({ sent: 1, delivered: 1, read: 0 })
})

test('statuses that are found by wamid count for the account that sent the message, and for no other that names it', async () => {
  const [one, other] = [
    await campaignWith(place, 'accepted', 1),
    await campaignWith(place, 'accepted', 1),
  ]
  const said = (accountId: string, wamid: string) => ({
    accountId,
    wamid,
    status: 'delivered',
    atMs: Date.now(),
    errorMessage: '',
    errorCodes: [],
  })
  const statuses = [
    said(one.accountId, one.attempts[0]!.wamid),
    said(other.accountId, other.attempts[0]!.wamid),
    said(other.accountId, 'wamid.of-nobody'),
  ]
  const { matchedWamids } = await recordStatuses(place.ctx, { statuses }, { accountId: '' })
  expect(matchedWamids.sort()).toEqual([one.attempts[0]!.wamid, other.attempts[0]!.wamid].sort())
  const third = await campaignWith(place, 'accepted', 1)
  const foreign = await recordStatuses(
    place.ctx,
    {
      statuses: [
        said(one.accountId, third.attempts[0]!.wamid),
        said(third.accountId, one.attempts[0]!.wamid),
      ],
    },
    { accountId: '' },
  )
  expect(foreign.matchedWamids).toEqual([])
  expect(await statistics(third)).toMatchObject({ delivered: 0 })
})

test('attempts of a dead process become unknown in all campaigns but the one that fails', async () => {
  const all = [
    await campaignWith(place, 'sending', 3),
    await campaignWith(place, 'sending', 3),
    await campaignWith(place, 'sending', 3),
  ]
  const [bad] = all.map(({ campaignId }) => campaignId).toSorted()
  await place.world.sql(`create function campaigns.refuse() returns trigger language plpgsql
    as $$ begin if new.campaign_id = '${bad}' then raise exception 'no'; end if; return new; end $$`)
  await place.world.sql(
    'create trigger refuse before update on campaigns.attempts for each row execute function campaigns.refuse()',
  )
  await expireSending(place.ctx)
  const unknown = await Promise.all(
    all.map(async (sent) => [sent.campaignId, (await statistics(sent))!.unknown]),
  )
  expect(Object.fromEntries(unknown)).toEqual(
    Object.fromEntries(all.map(({ campaignId }) => [campaignId, campaignId === bad ? 0 : 3])),
  )
  await place.world.sql('drop trigger refuse on campaigns.attempts')
  await expireSending(place.ctx)
  for (const sent of all) expect(await statistics(sent)).toMatchObject({ unknown: 3 })
})

test('recipients and attempts of what ended too long ago are taken away, page by page; the others and all statistics stay', async () => {
  const [old, young, sending] = [
    await campaignWith(place, 'accepted', 2_500),
    await campaignWith(place, 'accepted', 2),
    await campaignWith(place, 'accepted', 2),
  ]
  const ended = (sent: Sent, state: string, days: number) =>
    place.world.sql(
      'update campaigns.campaigns set state = $2, finished_at = now() - $3 * interval $$1 day$$ where id = $1',
      [sent.campaignId, state, days],
    )
  await ended(old, 'completed', 401)
  await ended(young, 'completed', 399)
  await ended(sending, 'sending', 500)
  await forgetCampaigns(place.ctx)
  const rows = async ({ campaignId }: Sent) =>
    (
      await place.world.sql(
        `select (select count(*)::int from campaigns.recipients where campaign_id = $1) as recipients,
                (select count(*)::int from campaigns.attempts where campaign_id = $1) as attempts,
                (select forgotten_at is not null and emptied_at is not null from campaigns.campaigns where id = $1) as forgotten`,
        [campaignId],
      )
    )[0]
  expect(await rows(old)).toEqual({ recipients: 0, attempts: 0, forgotten: true })
  expect(await statistics(old)).toMatchObject({ accepted: 2_500 })
  for (const sent of [young, sending])
    expect(await rows(sent)).toEqual({ recipients: 2, attempts: 2, forgotten: false })
})

test('no index holds what a status changes, so that rows are written in place', async () => {
  const [indexed] = await place.world.sql<{ columns: string[] }>(
    `select array_agg(distinct a.attname::text) as columns
     from pg_index i join pg_attribute a on a.attrelid = i.indrelid
       and (a.attnum = any(i.indkey) or pg_get_expr(i.indpred, i.indrelid) ~ ('\\m' || a.attname || '\\M'))
     where i.indrelid in ('campaigns.recipients'::regclass, 'campaigns.attempts'::regclass)`,
  )
  const changed = [
    'state',
    'reason',
    'sent_at',
    'delivered_at',
    'read_at',
    'failed_at',
    'code',
    'reason',
  ]
  expect(indexed!.columns).toContain('not_before')
  expect(indexed!.columns.filter((column) => changed.includes(column))).toEqual([])
})
