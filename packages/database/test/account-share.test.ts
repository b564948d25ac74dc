import { createWorld, until, type World } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { accountShare } from '../src/account-share.ts'
import { type Database, openDatabase, query, sql } from '../src/index.ts'

const acme = '0198c000-0000-7000-8000-00000000000a'
const globex = '0198c000-0000-7000-8000-00000000000b'
const poolSize = 4
const stack = new AsyncDisposableStack()
let world: World
let db: Database

beforeAll(async () => {
  world = stack.use(await createWorld())
  db = stack.use(
    await openDatabase({ url: world.roleUrl('accounts'), schema: 'accounts', poolSize }),
  )
})
afterAll(() => stack.disposeAsync())

/** Transactions of an account that run until they are let go, in the order in which they began. */
function occupy(accountId: string | string[], count: number, signal?: AbortSignal) {
  const end = Promise.withResolvers<void>()
  const began: number[] = []
  const ends = Array.from({ length: count }, (_, i) =>
    db.transaction(
      accountId,
      async () => {
        began.push(i)
        await end.promise
      },
      { signal },
    ),
  )
  return { began, ends, end: () => end.resolve(), all: () => Promise.all(ends) }
}
const answers = (accountId: string) =>
  db.transaction(accountId, (tx) => query(tx, sql`select 1 as one`))

test('an account that holds all it may keeps no other waiting, nor what belongs to none or to several', async () => {
  const greedy = occupy(acme, 20)
  await until(() => greedy.began.length === poolSize / 2)
  await answers(globex)
  await db.system((tx) => query(tx, sql`select 1`))
  await db.transaction([acme, globex], (tx) => query(tx, sql`select 1`))
  expect(greedy.began.toSorted()).toEqual([0, 1])
  greedy.end()
  await greedy.all()
  expect(greedy.began.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

test('those who wait get their places in the order in which they came', async () => {
  const share = accountShare(2)
  const order: number[] = []
  await Promise.all([1, 2, 3, 4, 5].map((n) => share.run(acme, async () => void order.push(n))))
  expect(order).toEqual([1, 2, 3, 4, 5])
})

test('one that gives up while it waits leaves its turn to the next, and no place is lost', async () => {
  const first = occupy(acme, 2)
  await until(() => first.began.length === 2)
  const reason = new Error('the caller has gone')
  const gone = new AbortController()
  const second = occupy(acme, 3, gone.signal)
  const third = occupy(acme, 1)
  const refused = Promise.allSettled(second.ends)
  gone.abort(reason)
  first.end()
  third.end()
  await Promise.all([first.all(), third.all()])
  expect((await refused).map((result) => result.status === 'rejected' && result.reason)).toEqual([
    reason,
    reason,
    reason,
  ])
  expect(second.began).toEqual([])
  const after = occupy(acme, 2)
  await until(() => after.began.length === 2)
  after.end()
  await after.all()
})

test('work that fails gives its place back', async () => {
  for (let i = 0; i < poolSize; i++)
    await expect(db.transaction(acme, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await answers(acme)).toEqual([{ one: 1 }])
})
