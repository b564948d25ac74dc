import { randomUUID as uuid } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import path from 'node:path'
import { locks } from '@lockstep/contracts'
import { openRedis, type Redis, untilReady } from '@lockstep/locks'
import { type LaneListener, type Messaging, openMessaging } from '@lockstep/messaging'
import type { LogLine } from '@lockstep/meta-simulator'
import { createLogger } from '@lockstep/telemetry'
import { createWorld, until, type World } from '@lockstep/testing'

import { type AuditOptions, type AuditReport, audit } from '../src/index.ts'

/** A line without what every line has: its number is given here, its time unless it matters. */
type Line = LogLine extends infer L
  ? L extends LogLine
    ? Omit<L, 'seq' | 'atMs'> & { atMs?: number }
    : never
  : never

/** A world in which one campaign has been sent to three people, one of whom answered, and nothing is wrong. */
export interface ConsistentWorld extends AsyncDisposable {
  sql: World['sql']
  redis: Redis
  messaging: Messaging
  ids: typeof ids
  /** Appends lines to the simulator's log. */
  log(...lines: Line[]): Promise<void>
  /** An accepted POST of an attempt, as the simulator writes it. */
  post(attempt: number, more?: Partial<Extract<LogLine, { kind: 'post' }>>): Line
  /** Stores a webhook body that the gateway has handled, and logs that it was answered 200. */
  webhook(
    elements: object[],
    part?: { outcome?: string | null; reason?: string; lane?: string },
  ): Promise<void>
  audit(options?: Partial<AuditOptions>): Promise<AuditReport>
  /** The same as what the audit's program is told by .lockstep/ready.json. */
  ready: { postgres: string; redis: string; nats: string; simulator_log: string }
}

const ids = {
  account: uuid(),
  other: uuid(),
  app: uuid(),
  connection: uuid(),
  otherConnection: uuid(),
  template: uuid(),
  campaign: uuid(),
  contacts: [uuid(), uuid(), uuid()],
  conversation: uuid(),
}
export const number = '106540352242922'
export const people = ['5511987654321', '4915112345678', '358401234567']
export const wamid = (attempt: number) => `wamid.out-${attempt}`
const reply = 'wamid.in-1'
/** What one of the people answered. */
const inbound = {
  id: reply,
  from: people[0],
  timestamp: '1764000000',
  type: 'text',
  text: { body: 'Hello' },
}

/** Opens the world; each call has a database and a log of its own. */
export async function consistentWorld(): Promise<ConsistentWorld> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld())
  const logFile = path.join(path.dirname(world.redis.dir), 'truth.ndjson')
  const log = openSimulatorLog(logFile)
  const webhook = webhookStore(world, log)
  const redis = await openLocks(world, stack)
  const messaging = await openLanes(world, stack)
  await insertRows(world)
  await log({ kind: 'start', seed: 1 }, post(1), post(2), post(3), {
    kind: 'template-list',
    wabaId: 'waba',
  })
  await webhook([status(1, 'sent'), status(2, 'sent')])
  await webhook([status(1, 'delivered')])
  await webhook([inbound], { lane: 'webhooks.message' })
  const opened = stack.move()
  return {
    sql: world.sql,
    redis,
    messaging,
    ids,
    log,
    post,
    webhook,
    ready: {
      postgres: world.adminUrl,
      redis: world.redis.url,
      nats: world.nats.url,
      simulator_log: logFile,
    },
    audit: (options) =>
      audit({
        adminUrl: world.adminUrl,
        simulatorLog: logFile,
        redisUrl: world.redis.url,
        natsUrl: world.nats.url,
        settled: true,
        ...options,
      }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

function openSimulatorLog(logFile: string): ConsistentWorld['log'] {
  let seq = 0
  return (...lines) => {
    const texts = lines.map((line) => JSON.stringify({ seq: ++seq, atMs: Date.now(), ...line }))
    return appendFile(logFile, texts.map((text) => `${text}\n`).join(''))
  }
}

const post: ConsistentWorld['post'] = (attempt, more) => ({
  kind: 'post',
  phoneNumberId: number,
  recipient: people[attempt - 1] ?? people[0]!,
  callback: `lk1.c.${ids.campaign}.${attempt}.0123456789ab`,
  template: { name: 'spring', language: 'en_US', category: 'MARKETING' },
  outcome: 'accepted',
  wamid: wamid(attempt),
  answer: 'sent',
  ...more,
})

function webhookStore(world: World, log: ConsistentWorld['log']): ConsistentWorld['webhook'] {
  let deliveries = 0
  return async (elements, { outcome = 'done', reason, lane = 'webhooks.campaign' } = {}) => {
    await storePart(world, elements, { outcome, reason, lane })
    const refs = elements.map((element) => refOf(element as Element))
    await log({
      kind: 'delivery',
      id: `d${++deliveries}`,
      appId: '1',
      attempt: 1,
      startedAtMs: Date.now(),
      httpStatus: 200,
      elements: refs,
    })
  }
}

/** A lock that a dead process has left and nobody has asked for since: free for everyone. */
async function openLocks(world: World, stack: AsyncDisposableStack): Promise<Redis> {
  const redis = openRedis(world.redis.url)
  stack.defer(() => redis.disconnect())
  await untilReady(redis, 5_000)
  stack.defer(() => redis.flushall().then(() => undefined)) // the world takes what is left for a leak
  await redis.set(
    locks.contact_import.key(ids.account),
    `contacts-1.0123abcd:0123456789abcdef@${Date.now()}`,
    'PX',
    locks.contact_import.ttlMs,
  )
  return redis
}

/** A lane whose only wake-up was answered; its worker is gone. */
async function openLanes(world: World, stack: AsyncDisposableStack): Promise<Messaging> {
  const log = createLogger({ service: 'audit', level: 'silent' })
  const messaging = stack.use(
    await openMessaging({ url: world.nats.url, name: 'audit-test', log, scale: 0.05 }),
  )
  let jobs = 0
  const onAssigned: LaneListener['onAssigned'] = ({ release }) => {
    jobs++
    release()
  }
  await using _worker = await messaging.consumeLane('campaigns.run', {
    onAssigned,
    onWakeUp: () => undefined,
  })
  messaging.wake('campaigns.run', ids.campaign)
  await until(() => jobs > 0)
  return messaging
}

type Element = { id: string; status?: string }

/** A status of an attempt, as Meta writes it. */
export function status(attempt: number, is: 'sent' | 'delivered' | 'read' | 'failed'): Element {
  return { id: wamid(attempt), status: is }
}

function refOf({ id, status }: Element) {
  return status
    ? { wamid: id, status, phoneNumberId: number }
    : { messageId: id, phoneNumberId: number }
}

async function storePart(
  world: World,
  elements: object[],
  part: { outcome: string | null; reason?: string; lane: string },
): Promise<void> {
  const isStatus = (element: object) => 'status' in element
  const value = {
    metadata: { phone_number_id: number },
    statuses: elements.filter(isStatus),
    messages: elements.filter((element) => !isStatus(element)),
  }
  const body = {
    object: 'whatsapp_business_account',
    entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
  }
  await world.sql(
    `with body as (insert into webhook_gateway.webhook_bodies values ($1, $2, now(), $3) returning *)
     insert into webhook_gateway.webhook_parts (body_id, app_id, received_at, lane, key, field, elements, outcome, reason)
     select id, app_id, received_at, $4, 'key', 'messages', $5, $6, $7 from body`,
    [
      uuid(),
      ids.app,
      Buffer.from(JSON.stringify(body)),
      part.lane,
      elements.length,
      part.outcome,
      part.reason ?? null,
    ],
  )
}

/** Two accounts, one with a campaign of three recipients: delivered, sent and unknown. */
async function insertRows(world: World): Promise<void> {
  const {
    account,
    other,
    app,
    connection,
    otherConnection,
    template,
    campaign,
    contacts,
    conversation,
  } = ids
  await world.sql(`
    insert into accounts.accounts select id, 'Account', now() from unnest('{${account}, ${other}}'::uuid[]) id;
    insert into accounts.apps values ('${app}', '${account}', 'App', '1', '', null, '', now());
    insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name,
                                      sealed_token, per_minute, per_second, max_per_second, quality, connected_at, disconnected_at)
      select id, account, 'Number', phone, 'waba', '${app}', '', '', '', 100, 80, 80, 'GREEN', now() - interval '1 day', null
      from (values ('${connection}'::uuid, '${account}'::uuid, '${number}'), ('${otherConnection}'::uuid, '${account}'::uuid, '2')) v(id, account, phone);
    insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at)
      select id, account_id, phone_number_id, app_id, waba_id, connected_at from accounts.connections;
    insert into templates.templates (id, account_id, waba_id, meta_id, name, language, category, status, components, parameter_format, quality,
                                     rejected_reason, last_seen_at, synced_at)
      values ('${template}', '${account}', 'waba', '1', 'spring', 'en_US', 'MARKETING', 'APPROVED', '[]', 'POSITIONAL', '', '', now(), now());
    begin;
    insert into contacts.contacts (id, account_id, phone, source)
      select * from unnest('{${contacts}}'::uuid[], array_fill('${account}'::uuid, '{3}'), '{${people}}'::text[], '{import,import,import}'::text[]);
    insert into contacts.imports (id, account_id, file_name, state, total_bytes, created_at, finished_at)
      values (gen_random_uuid(), '${account}', 'people.csv', 'done', 10, now(), now());
    insert into contacts.identities select account_id, 'number', 'phone', phone, id from contacts.contacts;
    commit;
    insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at, started_at, finished_at)
      values ('${campaign}', '${account}', 'Spring', '${connection}', '${number}', '${app}', '${template}', '{}', '{}', 'completed', now(), now(), now());
    insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
      select '${account}', '${campaign}', c.id, '${campaign}', c.phone, '', '{}', s.state, s.n, 1
      from unnest('{delivered,sent,unknown}'::text[], '{${contacts}}'::uuid[]) with ordinality s(state, contact, n) join contacts.contacts c on c.id = s.contact order by n;
    insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at, sent_at, delivered_at)
      values ('${account}', '${campaign}', 1, 1, 'accepted', 1, '${wamid(1)}', now(), now(), now()),
             ('${account}', '${campaign}', 2, 1, 'accepted', 1, '${wamid(2)}', now(), now(), null),
             ('${account}', '${campaign}', 3, 1, 'unknown', 1, null, null, null, null);
    insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, accepted, sent, delivered, unknown)
      values ('${campaign}', '${account}', 3, 2, 2, 1, 1);
    insert into conversations.conversations (id, account_id, connection_id, contact_id) values ('${conversation}', '${account}', '${connection}', '${contacts[0]}');
    insert into conversations.messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, payload, received_at)
      values ('${account}', '${conversation}', '${connection}', '${reply}', 'in', 'text', 'Hello', now(), '{}', now());
    insert into events.event_positions (account_id, last_id) values ('${account}', 1);
    insert into events.events (account_id, topic, id, occurred_at, kind, subject_id, body, source, entry_id, place)
      values ('${account}', 'campaigns', 1, now(), 'campaign.state', '${campaign}', '{}', 'events.campaigns', 1, 0);`)
}
