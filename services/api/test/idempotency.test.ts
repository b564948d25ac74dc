import { createServer } from 'node:net'
import { AppError } from '@lockstep/contracts'
import { until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { start as startCampaigns } from '../../campaigns/src/service.ts'
import { type Context, createContext } from '../src/context.ts'
import { once, type Repeatable } from '../src/idempotency.ts'
import { dropOldKeys } from '../src/jobs/drop-old-keys.ts'
import { type Api, draft, openApi, openStack, type Stack, scale, tenant, untilBlocked, whileLocked } from './setup.ts'

const up = new AsyncDisposableStack()
let stack: Stack
let api: Api
let owner: Awaited<ReturnType<typeof tenant>>

beforeAll(async () => {
  stack = up.use(await openStack())
  api = up.use(await openApi(stack.config))
  owner = await tenant(stack, api, '9201')
})
afterAll(() => up.disposeAsync())

const order = (name: string, key: string, via = api) =>
  via.ask(owner.key, 'POST', '/v1/campaigns', draft(owner.connectionId, name), { 'idempotency-key': key })
const campaignsNamed = (name: string) => stack.world.sql('select id from campaigns.campaigns where name = $1', [name])
const keyRow = async (key: string) => (await stack.world.sql('select * from api.idempotency_keys where key = $1', [key]))[0]

test('of many identical requests at once, to two processes, one creates the campaign and all get its answer in the end', async () => {
  await using other = await openApi(stack.config)
  const send = (n: number) => order('Twins', 'twins', n % 2 ? api : other)
  const requests = await whileLocked(stack.world, 'campaigns.campaigns', async () => {
    const all = Array.from({ length: 12 }, (_, n) => send(n))
    await untilBlocked(stack.world, 'campaigns.campaigns')
    const early = await Promise.race(all)
    expect(early).toMatchObject({ status: 409, json: { error: { message: expect.stringContaining('still running') } } })
    return all
  })
  const answers = await Promise.all(requests)
  expect(answers.filter(({ status }) => status === 201).filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1)
  const [made] = await campaignsNamed('Twins')
  for (let n = 0; n < 12; n++) {
    const again = await send(n)
    expect([again.status, again.json.id, again.headers.get('idempotent-replayed')]).toEqual([201, made!.id, 'true'])
  }
  expect(await campaignsNamed('Twins')).toHaveLength(1)
})

test('a key that was used for another body, path or query is refused', async () => {
  const first = await order('First', 'reused')
  expect(first.status).toBe(201)
  const others = [
    order('Second', 'reused'),
    api.ask(owner.key, 'POST', `/v1/campaigns/${first.json.id}/start`, undefined, { 'idempotency-key': 'reused' }),
    api.ask(owner.key, 'POST', '/v1/contact-imports?file_name=a.csv', 'name\n', {
      'idempotency-key': 'reused',
      'content-type': 'text/csv',
    }),
  ]
  for (const other of await Promise.all(others))
    expect(other).toMatchObject({ status: 409, json: { error: { code: 'conflict', message: expect.stringContaining('another request') } } })
  expect(await campaignsNamed('Second')).toEqual([])
})

test('a key belongs to its account: the same one means nothing for another', async () => {
  const stranger = await tenant(stack, api, '9202')
  await order('Ours', 'shared')
  const theirs = await api.ask(stranger.key, 'POST', '/v1/campaigns', draft(stranger.connectionId, 'Theirs'), {
    'idempotency-key': 'shared',
  })
  expect(theirs).toMatchObject({ status: 201, json: { name: 'Theirs' } })
})

test('a refusal is answered again as it was; a request with something wrong in it may be mended under its key', async () => {
  const missing = { ...draft(owner.connectionId), template_name: 'missing' }
  const send = () => api.ask(owner.key, 'POST', '/v1/campaigns', missing, { 'idempotency-key': 'refused' })
  const [first, second] = [await send(), await send()]
  expect([first.status, second.status, second.json]).toEqual([404, 404, first.json])
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  expect(await order('', 'unread')).toMatchObject({ status: 400 })
  expect(await order('Read', 'unread')).toMatchObject({ status: 201 })
  const limits = (per_second: number) =>
    api.ask(
      owner.key,
      'PUT',
      `/v1/connections/${owner.connectionId}/limits`,
      { per_minute: 60, per_second },
      { 'idempotency-key': 'mended' },
    )
  expect([(await limits(81)).status, (await limits(80)).status]).toEqual([400, 200])
  for (const key of ['', 'two words', 'x'.repeat(256)])
    expect((await order('Bad key', key)).json.error?.message).toContain('Idempotency-Key must be')
})

test('a request that found its peer away may be sent again with its key', async () => {
  const grpcPort = await freePort()
  await using own = await openApi({ ...stack.config, addresses: { ...stack.config.addresses, campaigns: `127.0.0.1:${grpcPort}` } })
  expect((await order('Later', 'later', own)).status).toBe(503)
  expect(await keyRow('later')).toBeUndefined()
  await using _campaigns = await startCampaigns({ ...stack.campaignsConfig, grpcPort }, { scale })
  await until(async () => (await order('Later', 'later', own)).status === 201)
  expect(await campaignsNamed('Later')).toHaveLength(1)
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}

/** The service's own context, with a clock that the test sets. */
async function openContext(): Promise<Context & { at: { ms: number } }> {
  const at = { ms: Date.now() }
  return { ...(await createContext(stack.config, { now: () => at.ms })), at }
}
const asked = (key: string): Repeatable => ({
  accountId: owner.accountId,
  key,
  hash: Buffer.alloc(32),
  requestId: 'r',
  ifUnknown: 'Look at GET /v1/campaigns.',
})

test('a request whose process died is "outcome unknown" after 60 s, says where to look, and is never run again', async () => {
  await using ctx = await openContext()
  let runs = 0
  const { promise: never, reject: end } = Promise.withResolvers<never>()
  const died = once(ctx, asked('died'), () => never)
  await until(() => keyRow('died'))
  const again = () => once(ctx, asked('died'), async () => ({ status: 201, body: String(++runs) }))
  ctx.at.ms += 60_000
  await expect(again()).rejects.toMatchObject({ failure: 'conflict', message: expect.stringContaining('still running') })
  ctx.at.ms += 1
  await expect(again()).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringMatching(/^Outcome unknown.*Look at GET \/v1\/campaigns\.$/),
  })
  expect(runs).toBe(0)
  end(new AppError('busy', 'over'))
  await expect(died).rejects.toThrow('over')
})

test('a call that ran into its deadline may have taken effect: its key stays taken', async () => {
  await using ctx = await openContext()
  const timeout = new AppError('timeout', 'The call took longer than its deadline')
  await expect(once(ctx, asked('slow'), () => Promise.reject(timeout))).rejects.toBe(timeout)
  await expect(once(ctx, asked('slow'), async () => ({ status: 201, body: 'twice' }))).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('Outcome unknown'),
  })
})

test('keys of all accounts are dropped after a day, and not before', async () => {
  await using ctx = await openContext()
  const stranger = { ...asked('old'), accountId: (await stack.account()).accountId }
  for (const request of [asked('old'), stranger]) await once(ctx, request, async () => ({ status: 200, body: '{}' }))
  const left = () => stack.world.sql("select 1 from api.idempotency_keys where key = 'old'")
  ctx.at.ms += 24 * 3_600_000
  await dropOldKeys(ctx)
  expect(await left()).toHaveLength(2)
  ctx.at.ms += 1
  await dropOldKeys(ctx)
  expect(await left()).toEqual([])
})

test("the service's role sees a key only in its own account's transaction", async () => {
  await using ctx = await openContext()
  await order('Seen', 'seen')
  const { sql, query } = await import('@lockstep/database')
  const count = (tx: Parameters<typeof query>[0]) => query(tx, sql`select 1 from idempotency_keys where key = 'seen'`)
  expect(await ctx.db.transaction(owner.accountId, count)).toHaveLength(1)
  expect(await ctx.db.transaction(crypto.randomUUID(), count)).toEqual([])
  expect(await ctx.db.system(count)).toEqual([])
})
