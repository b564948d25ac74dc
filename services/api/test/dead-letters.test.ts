import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Api, openApi, openStack, type Stack } from './fixtures.ts'

/** An account looks at its own work that failed three times, and decides about it. */
const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let mine: { accountId: string; key: string }
let theirs: { accountId: string; key: string }

beforeAll(async () => {
  stack = up.use(await openStack(0.2))
  api = up.use(await openApi(stack.config))
  mine = await stack.account()
  theirs = await stack.account()
})
afterAll(() => up.disposeAsync())

let nextId = 1_000

/** A dead entry of an account's, or of nobody's that is known. */
async function bury(schema: string, lane: string, accountId: string | null): Promise<string> {
  const id = String(++nextId)
  await stack.world.sql(
    `insert into ${schema}.feed_dead (id, lane, key, kind, account_id, row_id, body, bytes, attempts, created_at, reason)
     values ($1, $2, gen_random_uuid(), 'kind', $3, '', 'a secret body', 13, 3, now(), 'It is broken')`,
    [id, lane, accountId],
  )
  return id
}

const dead = async (schema: string, id: string) =>
  (await stack.world.sql(`select 1 from ${schema}.feed_dead where id = $1`, [id])).length

const list = async (query = '', key = mine.key) =>
  (await api.ask(key, 'GET', `/v1/dead-letters${query}`)).json

const order = (what: string, lane: string, ids: string[]) =>
  api.ask(mine.key, 'POST', `/v1/dead-letters/${what}`, { lane, ids })

test('only the own entries are listed, of all services page after page, and nothing of what they hold', async () => {
  const own = [
    await bury('contacts', 'contacts.import', mine.accountId),
    await bury('contacts', 'contacts.import', mine.accountId),
    await bury('campaigns', 'campaigns.run', mine.accountId),
    await bury('webhook_gateway', 'webhooks.message', mine.accountId),
    await bury('events', 'events.deliver', mine.accountId),
  ]
  await bury('webhook_gateway', 'webhooks.message', null)
  const foreign = await bury('contacts', 'contacts.import', theirs.accountId)
  const all: { id: string; lane: string }[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await list(`?limit=2${cursor ? `&cursor=${cursor}` : ''}`)
    expect(page.dead_letters.length).toBeLessThanOrEqual(2)
    all.push(...page.dead_letters)
    cursor = page.next_cursor
  }
  expect(all.map(({ id }) => id).sort()).toEqual([...own].sort())
  const imports = (await list('?lane=contacts.import')).dead_letters
  expect(imports.map(({ id }: { id: string }) => id)).toEqual([own[1], own[0]])
  expect(imports[0]).toMatchObject({ reason: 'It is broken', attempts: 3 })
  expect(JSON.stringify(all)).not.toContain('secret')
  expect((await list('', theirs.key)).dead_letters).toMatchObject([{ id: foreign }])
})

test("another account's entries, and those of nobody, are neither tried again nor given up", async () => {
  const foreign = await bury('contacts', 'contacts.import', theirs.accountId)
  const nobodys = await bury('contacts', 'contacts.import', null)
  const named = [foreign, nobodys]
  expect((await order('replay', 'contacts.import', named)).json).toEqual({ replayed: 0 })
  expect((await order('dismiss', 'contacts.import', named)).json).toEqual({ dismissed: 0 })
  expect([await dead('contacts', foreign), await dead('contacts', nobodys)]).toEqual([1, 1])
})

test('the own are tried again, and given up, those that are named only', async () => {
  const [again, over, left] = [
    await bury('campaigns', 'campaigns.run', mine.accountId),
    await bury('campaigns', 'campaigns.run', mine.accountId),
    await bury('campaigns', 'campaigns.run', mine.accountId),
  ]
  expect((await order('replay', 'campaigns.run', [again])).json).toEqual({ replayed: 1 })
  expect((await order('dismiss', 'campaigns.run', [over])).json).toEqual({ dismissed: 1 })
  expect((await order('dismiss', 'campaigns.run', [over])).json).toEqual({ dismissed: 0 })
  // Its worker finds no such campaign, and settles it.
  await until(
    async () =>
      (await stack.world.sql('select 1 from campaigns.feed_open where id = $1', [again])).length ===
      0,
  )
  expect([await dead('campaigns', over), await dead('campaigns', left)]).toEqual([0, 1])
  const { entries } = (await api.ask(mine.key, 'GET', '/v1/audit-log?action=dismissDeadLetters'))
    .json
  expect(entries[0]).toMatchObject({
    outcome: 'done',
    after: { lane: 'campaigns.run', ids: [over] },
  })
})

test('an order names its entries, and a cursor is one of this list', async () => {
  expect(await order('dismiss', 'campaigns.run', [])).toMatchObject({ status: 400 })
  expect(await order('dismiss', 'no.lane', ['1'])).toMatchObject({ status: 400 })
  for (const cursor of ['1', 'nobody:1', 'contacts:x', 'api:1'])
    expect(await api.ask(mine.key, 'GET', `/v1/dead-letters?cursor=${cursor}`)).toMatchObject({
      status: 400,
    })
})
