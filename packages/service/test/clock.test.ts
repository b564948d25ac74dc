import { openDatabase } from '@lockstep/database'
import { createLogger } from '@lockstep/telemetry'
import { createWorld, until } from '@lockstep/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { followDatabaseClock } from '../src/clock.ts'

const hourMs = 3_600_000
const log = createLogger({ service: 'contacts', level: 'silent' })
const { now: realNow } = Date
afterEach(() => vi.restoreAllMocks())

test("a process whose own clock is an hour ahead goes by PostgreSQL's", async () => {
  await using world = await createWorld()
  await using db = await openDatabase({ url: world.roleUrl('contacts'), schema: 'contacts' })
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + hourMs)
  await using clock = await followDatabaseClock({ db, log, scale: 0.05 })
  expect(Math.abs(clock.now() - realNow())).toBeLessThan(1_000)
})

test('while PostgreSQL is away its own clock counts, until PostgreSQL is there', async () => {
  await using world = await createWorld()
  const url = new URL(world.roleUrl('contacts'))
  const { port } = url
  url.port = '1'
  await using away = await openDatabase({ url: url.toString(), schema: 'contacts' })
  url.port = port
  await using there = await openDatabase({ url: url.toString(), schema: 'contacts' })
  let db = away
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + hourMs)
  await using clock = await followDatabaseClock({
    db: { statement: (given) => db.statement(given) },
    log,
    scale: 0.05,
  })
  expect(clock.now() - realNow()).toBeGreaterThan(hourMs - 1_000)
  db = there
  await until(() => Math.abs(clock.now() - realNow()) < 1_000)
})
