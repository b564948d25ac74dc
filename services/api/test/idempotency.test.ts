import { createServer } from 'node:net'
import { AppError, type Failure } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { ContactsDefinition } from '@lockstep/rpc/gen/contacts'
import { openContext, startService } from '@lockstep/service'
import { openProxy, until } from '@lockstep/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { campaignsService } from '../../campaigns/src/service.ts'
import { contactsService } from '../../contacts/src/service.ts'
import type { Context } from '../src/context.ts'
import { type RepeatableRequest, runOnce } from '../src/idempotency.ts'
import { dropOldKeys } from '../src/jobs/drop-old-keys.ts'
import { apiService } from '../src/service.ts'
import {
  type Api,
  draft,
  importCsv,
  openApi,
  openStack,
  type Stack,
  scale,
  tenant,
  untilBlocked,
  whileLocked,
} from './fixtures.ts'

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
  via.ask(owner.key, 'POST', '/v1/campaigns', draft(owner.connectionId, name), {
    'idempotency-key': key,
  })
const campaignsNamed = (name: string) =>
  stack.world.sql('select id from campaigns.campaigns where name = $1', [name])
const keyRow = async (key: string) =>
  (await stack.world.sql('select * from api.idempotency_keys where key = $1', [key]))[0]

test('of many identical requests at once, to two processes, one creates the campaign and all get its answer in the end', async () => {
  await using other = await openApi(stack.config)
  const send = (n: number) => order('Twins', 'twins', n % 2 ? api : other)
  const requests = await whileLocked(stack.world, 'campaigns.campaigns', async () => {
    const all = Array.from({ length: 12 }, (_, n) => send(n))
    await untilBlocked(stack.world, 'campaigns.campaigns')
    const early = await Promise.race(all)
    expect(early).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining('still running') },
    })
    expect(early.headers.get('retry-after')).toBe('1')
    return all
  })
  const answers = await Promise.all(requests)
  expect(
    answers
      .filter(({ status }) => status === 201)
      .filter(({ headers }) => !headers.has('idempotent-replayed')),
  ).toHaveLength(1)
  const [made] = await campaignsNamed('Twins')
  for (let n = 0; n < 12; n++) {
    const again = await send(n)
    expect([again.status, again.json.id, again.headers.get('idempotent-replayed')]).toEqual([
      201,
      made!.id,
      'true',
    ])
  }
  expect(await campaignsNamed('Twins')).toHaveLength(1)
})

test('a key that was used for another body, path or query is refused', async () => {
  const first = await order('First', 'reused')
  expect(first.status).toBe(201)
  const others = [
    order('Second', 'reused'),
    api.ask(owner.key, 'POST', `/v1/campaigns/${first.json.id}/start`, undefined, {
      'idempotency-key': 'reused',
    }),
    api.ask(owner.key, 'POST', '/v1/contact-imports?file_name=a.csv', 'name\n', {
      'idempotency-key': 'reused',
      'content-type': 'text/csv',
    }),
  ]
  for (const other of await Promise.all(others))
    expect(other).toMatchObject({
      status: 409,
      json: { code: 'conflict', detail: expect.stringContaining('another request') },
    })
  expect(await campaignsNamed('Second')).toEqual([])
})

test('a key belongs to its account: the same one means nothing for another', async () => {
  const stranger = await tenant(stack, api, '9202')
  await order('Ours', 'shared')
  const theirs = await api.ask(
    stranger.key,
    'POST',
    '/v1/campaigns',
    draft(stranger.connectionId, 'Theirs'),
    {
      'idempotency-key': 'shared',
    },
  )
  expect(theirs).toMatchObject({ status: 201, json: { name: 'Theirs' } })
})

test('a refusal is answered again as it was; a request with something wrong in it may be mended under its key', async () => {
  const missing = { ...draft(owner.connectionId), template_name: 'missing' }
  const send = () =>
    api.ask(owner.key, 'POST', '/v1/campaigns', missing, { 'idempotency-key': 'refused' })
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
    expect((await order('Bad key', key)).json.detail).toContain('Idempotency-Key must be')
})

test('a request that found its peer away may be sent again with its key', async () => {
  const grpcPort = await freePort()
  await using own = await openApi({
    ...stack.config,
    addresses: { ...stack.config.addresses, campaigns: `127.0.0.1:${grpcPort}` },
  })
  expect((await order('Later', 'later', own)).status).toBe(503)
  expect(await keyRow('later')).toBeUndefined()
  await using _campaigns = await startService(
    campaignsService,
    { ...stack.campaignsConfig, grpcPort },
    { scale },
  )
  await until(async () => (await order('Later', 'later', own)).status === 201)
  expect(await campaignsNamed('Later')).toHaveLength(1)
})

/** An API that reaches one of its peers through a proxy. */
async function openCutApi(
  peer: 'accounts' | 'contacts' | 'campaigns',
  address: string,
  now?: () => number,
) {
  await using up = new AsyncDisposableStack()
  const proxy = up.use(await openProxy(`tcp://${address}`))
  const addresses = { ...stack.config.addresses, [peer]: new URL(proxy.url).host }
  const cut = up.use(await openApi({ ...stack.config, addresses }, { scale, now }))
  const opened = up.move()
  return { api: cut, proxy, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** A request whose connection breaks after it took effect and before its answer. */
async function loseAnswer(
  proxy: Awaited<ReturnType<typeof openProxy>>,
  table: string,
  request: () => Promise<unknown>,
  tookEffect: () => Promise<unknown>,
) {
  const [lost] = await whileLocked(stack.world, table, async () => {
    const asking = request()
    await untilBlocked(stack.world, table)
    proxy.freeze()
    return [asking]
  })
  await until(tookEffect)
  await proxy.down()
  expect(await lost).toMatchObject({ status: 503, json: { code: 'busy' } })
  proxy.thaw()
  await proxy.up()
}

test('an order whose answer was lost is not carried out again: it never undoes what a person ordered since', async () => {
  const { key, connectionId } = await tenant(stack, api, '9203')
  await importCsv(
    api,
    key,
    `name,phone,tags\n${Array.from({ length: 30 }, (_, n) => `P${n},+49 1512 00010${10 + n},spring\n`).join('')}`,
  )
  await api.ask(key, 'PUT', `/v1/connections/${connectionId}/limits`, {
    per_minute: 1,
    per_second: 1,
  })
  const { id } = (await api.ask(key, 'POST', '/v1/campaigns', draft(connectionId, 'Lost'))).json
  const state = async () => (await api.ask(key, 'GET', `/v1/campaigns/${id}`)).json.state
  const becomes = (wanted: string) => until(async () => (await state()) === wanted)
  const order = (what: string, via: Api, header = {}) =>
    via.ask(key, 'POST', `/v1/campaigns/${id}/${what}`, undefined, header)
  await order('start', api)
  await becomes('sending')
  await order('pause', api)
  await using cut = await openCutApi('campaigns', stack.config.addresses.campaigns)
  const resume = () => order('resume', cut.api, { 'idempotency-key': 'resume' })
  await loseAnswer(cut.proxy, 'campaigns.campaigns', resume, () => becomes('sending'))
  expect(await order('pause', api)).toMatchObject({ status: 200, json: { state: 'paused' } })
  expect(await resume()).toMatchObject({
    status: 409,
    json: { detail: expect.stringMatching(/^Outcome unknown/) },
  })
  expect(await state()).toBe('paused')
  await order('cancel', api)
})

test('a draft whose answer was lost is made once: the same request with its key answers it', async () => {
  await using cut = await openCutApi('campaigns', stack.config.addresses.campaigns)
  const send = () => order('Lost draft', 'lost-draft', cut.api)
  const made = async () => (await campaignsNamed('Lost draft')).length > 0
  await loseAnswer(cut.proxy, 'campaigns.campaigns', send, made)
  const answer = await until(async () => [await send()].find(({ status }) => status !== 503))
  const [campaign, ...others] = await campaignsNamed('Lost draft')
  expect(answer).toMatchObject({ status: 201, json: { id: campaign!.id } })
  expect(others).toEqual([])
  expect((await send()).headers.get('idempotent-replayed')).toBe('true')
})

test('an app whose answer was lost is registered once', async () => {
  await using cut = await openCutApi('accounts', stack.config.addresses.accounts)
  const app = { name: 'Lost app', meta_app_id: '77', secret: 's', verify_token: 'v' }
  const send = () =>
    cut.api.ask(owner.key, 'POST', '/v1/apps', app, { 'idempotency-key': 'lost-app' })
  const made = () =>
    stack.world.sql<{ id: string }>("select id from accounts.apps where name = 'Lost app'")
  await loseAnswer(cut.proxy, 'accounts.apps', send, async () => (await made()).length > 0)
  const answer = await until(async () => [await send()].find(({ status }) => status !== 503))
  expect(answer).toMatchObject({ status: 201, json: { name: 'Lost app' } })
  expect(await made()).toEqual([{ id: answer.json.id }])
})

test('a consent whose answer was lost counts from its first try: it never outranks a stop that came since', async () => {
  const at = { ms: Date.now() }
  const now = () => at.ms
  await using contacts = await startService(
    contactsService,
    { ...stack.contactsConfig, grpcPort: 0 },
    { scale, now },
  )
  const address = `127.0.0.1:${contacts.grpcPort}`
  using client = connect(ContactsDefinition, address)
  const writes = async (text: string) => {
    const person = { waId: '4915120002001', atMs: at.ms, text, wamid: `wamid.${text}` }
    return (await client.recordInbound({ people: [{ ...person, accountId: owner.accountId }] }, {}))
      .contactIds['']!
  }
  const id = await writes('Hello')
  await using cut = await openCutApi('contacts', address, now)
  const optIn = { kind: 'opt_in', evidence: 'ticked in the shop' }
  const consent = () =>
    cut.api.ask(owner.key, 'POST', `/v1/contacts/${id}/consent`, optIn, {
      'idempotency-key': 'consent',
    })
  const ledger = () =>
    stack.world.sql(
      "select distinct kind from contacts.consents where contact_id = $1 and kind = 'opt_in'",
      [id],
    )
  await loseAnswer(cut.proxy, 'contacts.consents', consent, async () => (await ledger()).length > 0)
  at.ms += 300_000
  await writes('STOP')
  at.ms += 300_000
  expect(
    await until(async () => [await consent()].find(({ status }) => status !== 503)),
  ).toMatchObject({
    status: 200,
    json: { id, opted_out: true },
  })
  const again = await consent()
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
  expect(
    await stack.world.sql(
      "select 1 from contacts.consents where contact_id = $1 and kind = 'opt_in'",
      [id],
    ),
  ).toHaveLength(1)
})

test('a consent that never left counts from its first try, too', async () => {
  const at = { ms: Date.now() }
  const now = () => at.ms
  const grpcPort = await freePort()
  const addresses = { ...stack.config.addresses, contacts: `127.0.0.1:${grpcPort}` }
  await using own = await openApi({ ...stack.config, addresses }, { scale, now })
  using client = connect(ContactsDefinition, stack.config.addresses.contacts)
  const person = { waId: '4915120002002', atMs: at.ms, text: 'Hello', wamid: 'wamid.1' }
  const id = (
    await client.recordInbound({ people: [{ ...person, accountId: owner.accountId }] }, {})
  ).contactIds['']!
  const optIn = { kind: 'opt_in', evidence: 'ticked in the shop' }
  const consent = () =>
    own.ask(owner.key, 'POST', `/v1/contacts/${id}/consent`, optIn, { 'idempotency-key': 'early' })
  expect((await consent()).status).toBe(503)
  const stop = { ...person, atMs: at.ms + 300_000, text: 'STOP', wamid: 'wamid.2' }
  await client.recordInbound({ people: [{ ...stop, accountId: owner.accountId }] }, {})
  at.ms += 600_000
  await using _contacts = await startService(
    contactsService,
    { ...stack.contactsConfig, grpcPort },
    { scale, now },
  )
  expect(
    await until(async () => [await consent()].find(({ status }) => status !== 503)),
  ).toMatchObject({ json: { opted_out: true } })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}

/** The service's own context, with a clock that the test sets. */
async function ownContext(): Promise<Context & { at: { ms: number } }> {
  const at = { ms: Date.now() }
  return { ...(await openContext<Context>(apiService, stack.config, { now: () => at.ms })), at }
}
const asked = (key: string): RepeatableRequest => ({
  accountId: owner.accountId,
  key,
  hash: Buffer.alloc(32),
  requestId: 'r',
  afterLostResponse: 'Look at GET /v1/campaigns.',
})

test('a request whose process died is "outcome unknown" after 60 s, says where to look, and is never run again', async () => {
  await using ctx = await ownContext()
  let runs = 0
  const { promise: never, reject: end } = Promise.withResolvers<never>()
  const died = runOnce(ctx, asked('died'), () => never)
  await until(() => keyRow('died'))
  const again = () =>
    runOnce(ctx, asked('died'), async () => ({ status: 201, body: String(++runs) }))
  ctx.at.ms += 60_000
  await expect(again()).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('still running'),
  })
  ctx.at.ms += 1
  await expect(again()).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringMatching(/^Outcome unknown.*Look at GET \/v1\/campaigns\.$/),
  })
  expect(runs).toBe(0)
  end(new AppError('busy', 'over'))
  await expect(died).rejects.toThrow('over')
})

test.each(['timeout', 'busy', 'internal'] as Failure[])(
  'a call that ended as "%s" may have taken effect: its key stays taken, and says where to look',
  async (failure) => {
    await using ctx = await ownContext()
    const error = new AppError(failure, 'The answer never came')
    await expect(runOnce(ctx, asked(failure), () => Promise.reject(error))).rejects.toBe(error)
    await expect(
      runOnce(ctx, asked(failure), async () => ({ status: 201, body: 'twice' })),
    ).rejects.toMatchObject({
      failure: 'conflict',
      message: expect.stringMatching(/^Outcome unknown.*Look at GET/),
    })
  },
)

test('a request that was throttled did nothing: it runs when it is sent again', async () => {
  await using ctx = await ownContext()
  await expect(
    runOnce(ctx, asked('fast'), () => Promise.reject(new AppError('throttled', 'Wait'))),
  ).rejects.toThrow('Wait')
  expect(
    await runOnce(ctx, asked('fast'), async () => ({ status: 201, body: '{}' })),
  ).toMatchObject({
    status: 201,
    replayed: false,
  })
})

test('keys of all accounts are dropped after a day, and not before', async () => {
  await using ctx = await ownContext()
  const stranger = { ...asked('old'), accountId: (await stack.account()).accountId }
  for (const request of [asked('old'), stranger])
    await runOnce(ctx, request, async () => ({ status: 200, body: '{}' }))
  const left = () => stack.world.sql("select 1 from api.idempotency_keys where key = 'old'")
  ctx.at.ms += 24 * 3_600_000
  await dropOldKeys(ctx)
  expect(await left()).toHaveLength(2)
  ctx.at.ms += 1
  await dropOldKeys(ctx)
  expect(await left()).toEqual([])
})

test("the service's role sees a key only in its own account's transaction", async () => {
  await using ctx = await ownContext()
  await order('Seen', 'seen')
  const { sql, query } = await import('@lockstep/database')
  const count = (tx: Parameters<typeof query>[0]) =>
    query(tx, sql`select 1 from idempotency_keys where key = 'seen'`)
  expect(await ctx.db.transaction(owner.accountId, count)).toHaveLength(1)
  expect(await ctx.db.transaction(crypto.randomUUID(), count)).toEqual([])
  expect(await ctx.db.system(count)).toEqual([])
})
