import { randomBytes, randomUUID } from 'node:crypto'
import { until } from '@lockstep/testing'
import { phones, startSystem, type Tenant, type TestSystem } from '@lockstep/testing/system'
import { signBody } from '@lockstep/whatsapp'
import { afterAll, beforeAll, expect, test } from 'vitest'

/*
 * What strangers, broken clients and captured requests may send to the gateway. Beside each bad body a good one of the same number is
 * posted at the same moment: whatever becomes of the bad one, the good one has its effect.
 */

let stack: TestSystem
let tenant: Tenant
let other: Tenant
beforeAll(async () => {
  stack = await startSystem()
  tenant = await stack.addTenant()
  other = await stack.addTenant()
}, 60_000)
afterAll(() => stack?.[Symbol.asyncDispose]())

interface Bad {
  what: string
  body(): string
  /** The path's app, and who signs; both are the tenant's own unless they are given. */
  at?: () => string
  headers?: (body: string) => Record<string, string>
  status: number
  /** How it is counted at /metrics. */
  counted: string
  /** What is kept of it, with an outcome and its bytes. */
  kept?: { outcome: string; reason?: RegExp }
}

const requests = (result: string) => `lockstep_webhook_requests_total{result="${result}"}`
const parts = (outcome: string, field: string) =>
  `lockstep_webhook_parts_total{field="${field}",outcome="${outcome}"}`
const unreadable = (reason: RegExp) => ({
  status: 200,
  counted: parts('unreadable', 'none'),
  kept: { outcome: 'unreadable', reason },
})
const deep = (levels: number, open: string, close: string) =>
  `${open.repeat(levels)}0${close.repeat(levels)}`
/** A status with a token that names what it likes, by a tag that is made up. */
const forgedStatus = (wamid: string, ownerId: string, attemptId: string) => ({
  id: wamid,
  status: 'failed',
  timestamp: '1764000000',
  recipient_id: '491512000000',
  biz_opaque_callback_data: `lk1.c.${ownerId}.${attemptId}.${randomBytes(6).toString('hex')}`,
})

const all: Bad[] = [
  {
    what: 'signed with another secret',
    body: () => message(),
    headers: (body) => signedBy(randomBytes(16).toString('hex'), body),
    status: 401,
    counted: requests('signature_wrong'),
  },
  {
    what: "signed by another tenant's app at the tenant's own address",
    body: () => message(),
    headers: (body) => signedBy(other.appSecret, body),
    status: 401,
    counted: requests('signature_wrong'),
  },
  {
    what: 'not signed',
    body: () => message(),
    headers: () => ({}),
    status: 401,
    counted: requests('signature_missing'),
  },
  {
    what: 'signed in another way',
    body: () => message(),
    headers: () => ({ 'x-hub-signature-256': 'sha1=0123456789abcdef' }),
    status: 401,
    counted: requests('signature_malformed'),
  },
  {
    what: 'for an app that nobody registered',
    body: () => message(),
    at: () => stack.webhookUrl({ ...tenant, appId: randomUUID() }),
    status: 404,
    counted: requests('unknown_app'),
  },
  {
    what: "about the tenant's number, well signed by another tenant's app",
    body: () => message(),
    at: () => stack.webhookUrl(other),
    headers: (body) => signedBy(other.appSecret, body),
    status: 200,
    counted: parts('no_connection', 'messages'),
    kept: { outcome: 'no_connection' },
  },
  {
    what: 'about a number that nobody has connected',
    body: () => message({ phoneNumberId: '999000999' }),
    status: 200,
    counted: parts('no_connection', 'messages'),
    kept: { outcome: 'no_connection' },
  },
  {
    what: 'with a forged token',
    body: () => bodyOf({ statuses: [forgedStatus('wamid.FORGED', randomUUID(), randomUUID())] }),
    status: 200,
    counted: 'lockstep_webhook_forged_tokens_total',
    kept: { outcome: 'no_match' },
  },
  { what: 'truncated', body: () => message().slice(0, -7), ...unreadable(/not JSON/) },
  { what: 'not JSON', body: () => 'hub.mode=subscribe&hub.challenge=1', ...unreadable(/not JSON/) },
  { what: 'empty', body: () => '', ...unreadable(/not JSON/) },
  { what: 'JSON of another shape', body: () => '[1,2,3]', ...unreadable(/not a JSON object/) },
  {
    what: 'about a page',
    body: () => '{"object":"page","entry":[]}',
    ...unreadable(/not of the object/),
  },
  {
    what: 'without a list of entries',
    body: () => '{"object":"whatsapp_business_account","entry":7}',
    ...unreadable(/no list of entries/),
  },
  {
    what: '10,000 arrays deep',
    body: () => deep(10_000, '[', ']'),
    ...unreadable(/nests more than/),
  },
  {
    what: '10,000 objects deep inside of a message',
    body: () => message({ text: 'DEEP' }).replace('"DEEP"', deep(10_000, '{"a":', '}')),
    ...unreadable(/nests more than/),
  },
  {
    what: 'with a value that is no object',
    body: () => message().replace(/"value":.*/, '"value":"no"}]}]}'),
    ...unreadable(/not a change/),
  },
  {
    what: 'larger than 3 MB',
    body: () => message({ text: 'x'.repeat(3 * 1024 * 1024) }),
    status: 413,
    counted: requests('too_large'),
  },
]

test.each(all)(
  'a body $what is answered $status and counted, and costs its neighbour nothing',
  async (bad) => {
    const before = await counted(bad.counted)
    const messages = await count('conversations.messages')
    const body = bad.body()
    const headers = bad.headers?.(body) ?? signedBy(tenant.appSecret, body)
    const wamid = newWamid()
    const [status, good] = await Promise.all([
      post(bad.at?.() ?? stack.webhookUrl(tenant), body, headers),
      deliver(message({ wamid })),
    ])
    expect([status, good]).toEqual([bad.status, 200])
    await until(() => hasEffect(wamid))
    await until(async () => (await counted(bad.counted)) === before + 1)
    await stack.settled()
    expect(await count('conversations.messages')).toBe(messages + 1)
    if (!bad.kept) return
    const { parts } = await stack.clients.webhookGateway.listParts(
      { outcome: bad.kept.outcome, limit: 1 },
      {},
    )
    expect(Buffer.from(parts[0]!.content).toString() === body).toBe(true)
    if (bad.kept.reason) expect(parts[0]!.reason).toMatch(bad.kept.reason)
  },
)

test('a forged token moves no attempt, also when it names a real one', async () => {
  await stack.importContacts(tenant, phones(1))
  const campaign = await stack.startCampaign(tenant)
  await stack.untilCampaign(tenant, campaign.id, 'completed')
  await stack.settled()
  const attempts = () =>
    stack.world.sql<{ id: string; failed_at: Date | null }>(
      'select a.* from campaigns.attempts a where a.account_id = $1',
      [tenant.accountId],
    )
  const before = await attempts()
  expect(before).toHaveLength(1)
  expect(
    await deliver(
      bodyOf({ statuses: [forgedStatus('wamid.FORGED2', campaign.id, before[0]!.id)] }),
    ),
  ).toBe(200)
  await stack.settled()
  expect(await attempts()).toEqual(before)
  expect(before[0]!.failed_at).toBeNull()
}, 60_000)

test('a captured body that is sent again has no effect, neither at once nor when the gateway has forgotten it', async () => {
  const wamid = newWamid()
  const body = message({ wamid })
  await deliver(body)
  await until(() => hasEffect(wamid))
  await stack.settled()
  const before = [
    await count('conversations.messages'),
    await count('conversations.conversations'),
    await count('contacts.contacts'),
  ]
  const unread = await stack.world.sql('select * from conversations.conversations order by id')
  const again = async () => {
    expect(await Promise.all([deliver(body), deliver(body)])).toEqual([200, 200])
    await stack.settled()
    expect([
      await count('conversations.messages'),
      await count('conversations.conversations'),
      await count('contacts.contacts'),
    ]).toEqual(before)
    expect(await stack.world.sql('select * from conversations.conversations order by id')).toEqual(
      unread,
    )
  }
  await again()
  // Seven days later the tables of that day are gone.
  await stack.world.sql('truncate webhook_gateway.webhook_bodies, webhook_gateway.webhook_parts')
  await again()
})

test('3 MB of statuses are stored whole and end without effect; messages that come meanwhile have theirs', async () => {
  const status = () => ({
    id: newWamid(),
    status: 'delivered',
    timestamp: '1764000000',
    recipient_id: '491512000000',
  })
  const size = JSON.stringify(status()).length + 1
  const statuses = Array.from({ length: Math.floor((3 * 1024 * 1024 - 500) / size) }, status)
  const elements = 'lockstep_webhook_elements_total{field="messages"}'
  const before = await counted(elements)
  const flood = deliver(bodyOf({ statuses }))
  const wamids = Array.from({ length: 10 }, newWamid)
  const good = wamids.map((wamid) => deliver(message({ wamid })))
  expect(await Promise.all([flood, ...good])).toEqual(Array(11).fill(200))
  await until(async () => (await counted(elements)) === before + statuses.length + wamids.length)
  for (const wamid of wamids) await until(() => hasEffect(wamid))
  await stack.settled()
  const [kept] = await stack.world.sql<{ n: number }>(
    `select sum(elements)::int as n from webhook_gateway.webhook_parts where outcome = 'no_match' and elements > 1`,
  )
  expect(kept!.n).toBeGreaterThanOrEqual(statuses.length - 1)
}, 60_000)

test('after all of it nothing waits and nothing is dead', async () => {
  await stack.settled()
  expect(await count('webhook_gateway.feed_open')).toBe(0)
})

const newWamid = () => `wamid.${randomBytes(12).toString('hex')}`

/** A webhook body with a value of a number, the tenant's own unless it is given. */
function bodyOf(value: object, phoneNumberId = tenant.phoneNumberId): string {
  const metadata = { display_phone_number: '15550000000', phone_number_id: phoneNumberId }
  const change = { field: 'messages', value: { messaging_product: 'whatsapp', metadata, ...value } }
  return JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: tenant.wabaId, changes: [change] }],
  })
}

function message({
  wamid = newWamid(),
  text = 'hello',
  phoneNumberId,
}: {
  wamid?: string
  text?: string
  phoneNumberId?: string
} = {}) {
  const contacts = [{ profile: { name: 'Ann' }, wa_id: '491512999999' }]
  const messages = [
    {
      from: '491512999999',
      id: wamid,
      timestamp: '1764000000',
      type: 'text',
      text: { body: text },
    },
  ]
  return bodyOf({ contacts, messages }, phoneNumberId)
}

const signedBy = (secret: string, body: string) => ({
  'x-hub-signature-256': signBody(secret, Buffer.from(body)),
})
const deliver = (body: string) =>
  post(stack.webhookUrl(tenant), body, signedBy(tenant.appSecret, body))

async function post(url: string, body: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  await response.arrayBuffer()
  return response.status
}

/** The value of a counter at the gateway's /metrics, over the labels that are not named; 0 when it was never raised. */
async function counted(series: string): Promise<number> {
  const text = await (
    await fetch(`http://127.0.0.1:${stack.ports['webhook-gateway'].health}/metrics`)
  ).text()
  const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series)!
  const wanted = labels.split(',')
  const lines = text
    .split('\n')
    .filter((line) => /^[ {]/.test(line.slice(name!.length)) && line.startsWith(name!))
  return lines
    .filter((line) => wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

async function count(table: string): Promise<number> {
  const [row] = await stack.world.sql<{ n: number }>(`select count(*)::int as n from ${table}`)
  return row!.n
}

async function hasEffect(wamid: string): Promise<boolean> {
  const rows = await stack.world.sql(
    'select from conversations.messages where wamid = $1 and account_id = $2',
    [wamid, tenant.accountId],
  )
  return rows.length === 1
}
