import { randomUUID } from 'node:crypto'
import { until } from '@lockstep/testing'
import { expect, test } from 'vitest'
import {
  allContacts,
  counts,
  ended,
  file,
  prepareContacts,
  startContacts,
  type TestContacts,
} from './fixtures.ts'

const total = 20_000
/** Every tenth row repeats one of a batch before, every fiftieth is no number. */
const rows = Array.from({ length: total }, (_, i) =>
  i % 50 === 0
    ? 'nonsense'
    : `+4915${100_000_000 + (i % 10 === 9 ? i - (i > 1_500 ? 1_501 : 1) : i)}`,
)
const csv = `phone\n${rows.join('\n')}\n`

/** Everything is there once, and counted once. */
async function expectComplete(system: TestContacts, id: string): Promise<void> {
  expect(counts(await ended(system, id))).toEqual({
    state: 'done',
    rows: total,
    created: 17_600,
    updated: 0,
    duplicates: 2_000,
    rejected: 400,
  })
  expect(await allContacts(system)).toHaveLength(17_600)
  const [kept] = await system.world.sql(
    'select count(*)::int as n from contacts.import_errors where import_id = $1',
    [id],
  )
  expect(kept).toEqual({ n: 400 })
}

const begun = ({ contacts, call }: TestContacts, id: string) =>
  until(async () => (await contacts.getImport({ id }, call)).rows > 0)

test('an import that is killed goes on after its last committed batch and counts nothing twice', {
  timeout: 90_000,
}, async () => {
  await using system = await prepareContacts()
  await using service = await system.spawn()
  {
    const { id } = await until(() => system.contacts.createImport(file(csv), system.call))
    await begun(system, id)
    await service.stop('SIGKILL')
    const [killed] = await system.world.sql<{ state: string; rows: number }>(
      'select state, rows from contacts.imports where id = $1',
      [id],
    )
    expect(killed).toMatchObject({ state: 'running' })
    expect(killed!.rows).toBeLessThan(total)

    await using _service = await system.start()
    await until(() => system.contacts.getImport({ id }, system.call))
    await expectComplete(system, id)
  }
})

test('an import whose lock another process has taken over commits nothing more, and is completed by the newest holder', {
  timeout: 90_000,
}, async () => {
  await using system = await startContacts({ times: { importSliceMs: 60_000 } })
  const { id } = await system.contacts.createImport(file(csv), system.call)
  await begun(system, id)
  await system.world.sql('update contacts.lock_fences set token = token + 1')
  await expectComplete(system, id)
  // Its first hold, the one above, and the one that it acquired because of that.
  expect(await system.world.sql('select token::int from contacts.lock_fences')).toEqual([
    { token: 3 },
  ])
})

test('what uploads of dead processes left is removed for every account; files that are fresh or queued stay', async () => {
  await using system = await prepareContacts()
  const [queued, fresh, ...dead] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()]
  for (const [importId, age] of [
    [queued, '1 day'],
    [fresh, '1 second'],
    [dead[0], '1 day'],
    [dead[1], '1 day'],
  ] as const)
    await system.world.sql(
      `insert into contacts.import_chunks (import_id, seq, account_id, bytes, created_at) values ($1, 0, $2, 'phone', now() - $3::interval)`,
      [importId, randomUUID(), age],
    )
  await system.world.sql(
    `insert into contacts.imports (id, account_id, file_name, state, total_bytes, created_at)
     select import_id, account_id, 'x', 'queued', 5, created_at from contacts.import_chunks where import_id = $1`,
    [queued],
  )
  await using _service = await system.start()
  const left = () =>
    system.world.sql<{ import_id: string }>('select import_id from contacts.import_chunks')
  await until(async () => (await left()).length <= 2)
  expect((await left()).map((row) => row.import_id).toSorted()).toEqual([queued, fresh].toSorted())
})
