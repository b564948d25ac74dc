import { openContext } from '@lockstep/service'
import { createWorld, type World } from '@lockstep/testing'
import { configIn } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { insertEvents as keepEvents, listEvents } from '../src/db/account-events.ts'
import { forgetEvents } from '../src/jobs/forget-events.ts'
import { accountsService } from '../src/service.ts'

const contextIn = (world: World) =>
  openContext<Context>(accountsService, configIn(world, accountsService))

/** Events of two accounts in turn, each named by its place. */
const insertEvents = (world: World, count: number, receivedAt: string) =>
  world.sql<{ id: string }>(
    `with two as (insert into accounts.accounts select gen_random_uuid(), 'Account ' || i, now() from generate_series(0, 1) i returning id),
       events as (insert into accounts.account_events (account_id, waba_id, field, event, summary, value, value_hash, received_at)
         select (select array_agg(id) from two)[1 + i % 2], '1', 'account_update', '', i::text, '{}', convert_to(i::text, 'UTF8'), ${receivedAt}
         from generate_series(1, $1::int) n(i) order by n.i)
     select (select array_agg(id) from two)[1] as id`,
    [count],
  )

test('events go once they are older than they are kept, whoever they are of, and younger ones stay', async () => {
  await using world = await createWorld()
  await using ctx = await contextIn(world)
  // More than a page of old ones, with one among them that is young, and then young ones.
  await insertEvents(
    world,
    4_003,
    `now() - case when i = 7 or i > 4000 then interval '399 days' else interval '401 days' end`,
  )
  const left = async () =>
    (
      await world.sql<{ summary: string }>(
        'select summary from accounts.account_events order by id',
      )
    ).map(({ summary }) => summary)

  await forgetEvents(ctx)
  expect(await left()).toEqual(['7', '4001', '4002', '4003'])
  await forgetEvents(ctx)
  expect(await left()).toHaveLength(4)
})

test('an event that Meta does not date is kept once a day, one that it dates once', async () => {
  await using world = await createWorld()
  await using ctx = await contextIn(world)
  const [account] = await insertEvents(world, 0, 'now()')
  const event = {
    wabaId: '1',
    field: 'messages',
    event: 'error 131031',
    summary: '',
    value: { errors: [{ code: 131031 }] },
  }
  const keep = (occurredAt: string | null, receivedAt: string) =>
    ctx.db.transaction(account!.id, (tx) =>
      keepEvents(tx, [
        {
          ...event,
          occurredAt: occurredAt === null ? null : new Date(occurredAt),
          receivedAt: new Date(receivedAt),
        },
      ]),
    )
  for (const receivedAt of [
    '2026-05-01T00:00:00Z',
    '2026-05-01T23:59:59Z',
    '2026-05-02T00:00:00Z',
  ]) {
    await keep(null, receivedAt)
    await keep('2026-04-30T12:00:00Z', receivedAt)
  }
  const kept = await world.sql<{ occurred_at: Date | null }>(
    'select occurred_at from accounts.account_events order by id',
  )
  expect(kept.map(({ occurred_at }) => occurred_at !== null)).toEqual([false, true, false])
})

test('events are listed newest first by number, not as texts, on every page', async () => {
  await using world = await createWorld()
  await using ctx = await contextIn(world)
  const [account] = await insertEvents(world, 240, 'now()')
  const listed: string[] = []
  for (let beforeId = ''; ; ) {
    const page = await ctx.db.transaction(account!.id, (tx) =>
      listEvents(tx, { wabaId: '', field: '', beforeId, limit: 7 }),
    )
    if (page.length === 0) break
    listed.push(...page.map(({ summary }) => summary))
    beforeId = page.at(-1)!.id
  }
  expect(listed).toEqual(Array.from({ length: 120 }, (_, i) => String(240 - 2 * i)))
})
