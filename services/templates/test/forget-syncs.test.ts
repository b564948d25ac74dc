import { randomUUID } from 'node:crypto'
import { openContext } from '@lockstep/service'
import { createWorld } from '@lockstep/testing'
import { configIn } from '@lockstep/testing/system'
import { expect, test } from 'vitest'
import type { Context } from '../src/context.ts'
import { forgetSyncs } from '../src/jobs/forget-syncs.ts'
import { templatesService } from '../src/service.ts'

test('runs go once they have ended for longer than they are kept; those that wait, run or ended lately stay', async () => {
  await using world = await createWorld()
  await using ctx = await openContext<Context>(templatesService, configIn(world, templatesService))
  const insert = (count: number, state: string, finishedDaysAgo: number | null) =>
    world.sql(
      `insert into templates.sync_runs (id, account_id, connection_id, waba_id, state, created_at, started_at, finished_at)
       select gen_random_uuid(), case when i % 2 = 0 then $2::uuid else $3::uuid end, gen_random_uuid(), '1', $4, now() - interval '60 days',
         now() - interval '60 days', now() - $5 * interval '1 day' from generate_series(1, $1::int) i`,
      [count, randomUUID(), randomUUID(), state, finishedDaysAgo],
    )
  await insert(4_100, 'done', 31)
  await insert(10, 'failed', 31)
  await insert(3, 'done', 29)
  await insert(2, 'queued', null)
  await insert(1, 'running', null)

  await forgetSyncs(ctx)
  const left = await world.sql(
    'select state, count(*)::int as runs from templates.sync_runs group by state order by state',
  )
  expect(left).toEqual([
    { state: 'done', runs: 3 },
    { state: 'queued', runs: 2 },
    { state: 'running', runs: 1 },
  ])
})
