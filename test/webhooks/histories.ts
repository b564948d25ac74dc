import { randomUUID } from 'node:crypto'
import type { Tenant, TestSystem } from '@lockstep/testing/system'
import type { Tokens } from '@lockstep/whatsapp'
import fc from 'fast-check'

const people = 3
const attempts = 4

/** One thing that Meta says, once; times are seconds of a day. */
export type Said =
  | { kind: 'text'; n: number; person: number; at: number; text: string }
  | { kind: 'reaction'; n: number; person: number; at: number; about: number; emoji: string }
  | { kind: 'edit'; n: number; person: number; at: number; about: number; text: string }
  | { kind: 'revoke'; n: number; person: number; at: number; about: number }
  | {
      kind: 'status'
      attempt: number
      status: 'sent' | 'delivered' | 'read' | 'failed'
      at: number
    }

/** Where histories happen: a system, a tenant of it, and the tokens that the platform issues. */
export interface Place {
  system: TestSystem
  tenant: Tenant
  tokens: Tokens
}

/** A number of its own with a campaign whose messages Meta has accepted, so that two runs of a history never meet. */
export interface Subject {
  id: string
  phoneNumberId: string
  campaignId: string
  attemptIds: string[]
}

let subjects = 0

export async function newSubject({ system, tenant }: Place): Promise<Subject> {
  const { sql } = system.world
  const id = `s${++subjects}`
  const phoneNumberId = String(70_000_000 + subjects)
  const connectionId = randomUUID()
  const campaignId = randomUUID()
  await sql(
    `with c as (
       insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name, sealed_token,
         per_minute, per_second, max_per_second, quality, connected_at)
       select $1, account_id, name, $2, waba_id, app_id, display_phone_number, verified_name, sealed_token, per_minute, per_second, max_per_second,
         quality, '2026-01-01' from accounts.connections where id = $3 returning *)
     insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at)
     select id, account_id, phone_number_id, app_id, waba_id, connected_at from c`,
    [connectionId, phoneNumberId, tenant.connectionId],
  )
  await sql(
    `insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
     select $1, account_id, 'c', id, phone_number_id, app_id, $2, '{"tags": ["x"]}', '{}', 'completed', now()
     from accounts.connections where id = $3`,
    [campaignId, randomUUID(), connectionId],
  )
  const attemptIds: string[] = []
  for (let i = 0; i < attempts; i++) {
    const [recipient] = await sql<{ id: string }>(
      `insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempts)
       values ($1, $2, $3, $3, '4915100000', '', '{}', 'unknown', 1) returning id`,
      [tenant.accountId, campaignId, randomUUID()],
    )
    const [attempt] = await sql<{ id: string }>(
      `insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence) values ($1, $2, $3, 1, 'unknown', 1) returning id`,
      [tenant.accountId, campaignId, recipient!.id],
    )
    await sql('update campaigns.recipients set attempt_id = $1 where id = $2', [
      attempt!.id,
      recipient!.id,
    ])
    attemptIds.push(attempt!.id)
  }
  await sql(
    'insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, unknown) values ($1, $2, $3, $3)',
    [campaignId, tenant.accountId, attempts],
  )
  return { id, phoneNumberId, campaignId, attemptIds }
}

const day = 1_767_225_600
const phoneOf = (subject: Subject, person: number) =>
  `49151${String(Number(subject.id.slice(1)) * 10 + person).padStart(8, '0')}`
const wamidOf = (subject: Subject, n: number | string) => `wamid.${subject.id}.${n}`

function messageOf(subject: Subject, said: Exclude<Said, { kind: 'status' }>): object {
  const head = {
    from: phoneOf(subject, said.person),
    id: wamidOf(subject, said.n),
    timestamp: String(day + said.at),
    type: said.kind,
  }
  switch (said.kind) {
    case 'text':
      return { ...head, text: { body: said.text } }
    case 'reaction':
      return { ...head, reaction: { message_id: wamidOf(subject, said.about), emoji: said.emoji } }
    case 'edit':
      return {
        ...head,
        edit: {
          original_message_id: wamidOf(subject, said.about),
          message: { type: 'text', text: { body: said.text } },
        },
      }
    case 'revoke':
      return { ...head, revoke: { original_message_id: wamidOf(subject, said.about) } }
  }
}

function statusOf({ tokens }: Place, subject: Subject, said: Said & { kind: 'status' }): object {
  const attemptId = subject.attemptIds[said.attempt]!
  const token = tokens.issue({
    kind: 'c',
    ownerId: subject.campaignId,
    attemptId,
    phoneNumberId: subject.phoneNumberId,
  })
  const errors =
    said.status === 'failed' ? { errors: [{ code: 131026, title: 'Message undeliverable' }] } : {}
  const common = {
    id: wamidOf(subject, `a${said.attempt}`),
    status: said.status,
    timestamp: String(day + said.at),
  }
  return { ...common, recipient_id: '491510000000', biz_opaque_callback_data: token, ...errors }
}

/** One webhook body that says all of it. */
export function bodyOf(place: Place, subject: Subject, said: readonly Said[]): Buffer {
  const messages = said.filter((s) => s.kind !== 'status')
  const contacts = [...new Set(messages.map((m) => m.person))].map((person) => ({
    wa_id: phoneOf(subject, person),
    profile: { name: `Person ${person}` },
  }))
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '1', phone_number_id: subject.phoneNumberId },
    ...(messages.length > 0 && { contacts, messages: messages.map((m) => messageOf(subject, m)) }),
    ...(messages.length < said.length && {
      statuses: said.filter((s) => s.kind === 'status').map((s) => statusOf(place, subject, s)),
    }),
  }
  return Buffer.from(
    JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
    }),
  )
}

/** The rows that the history left, without what must differ: ids, and times of our own. */
export async function rowsOf({ system }: Place, subject: Subject): Promise<unknown> {
  const { sql } = system.world
  const own = (text: string | null) => text?.replaceAll(`.${subject.id}.`, '.')
  const mine = `${'49151'}%`
  const connection = `(select id from accounts.connections where phone_number_id = '${subject.phoneNumberId}')`
  const rows = {
    messages:
      await sql(`select wamid, direction, type, text, at, target_wamid, edited_at, original_text, revoked_at
      from conversations.messages where connection_id = ${connection} order by wamid`),
    reactions: await sql(
      `select target_wamid, emoji, at, wamid from conversations.reactions where connection_id = ${connection} order by 1, 4`,
    ),
    conversations: await sql(
      `select c.unread, c.last_text, c.last_message_at, c.window_until, p.name, p.opted_out, p.last_inbound_at
      from conversations.conversations c join contacts.contacts p on p.id = c.contact_id
      where c.connection_id = ${connection} and p.phone like $1 order by p.phone`,
      [mine],
    ),
    attempts: await sql(
      `select r.state, r.reason, a.outcome, a.wamid, a.accepted_at, a.sent_at, a.delivered_at, a.read_at, a.failed_at, a.code
       from campaigns.recipients r join campaigns.attempts a on a.id = r.attempt_id where r.campaign_id = $1 order by r.id`,
      [subject.campaignId],
    ),
    statistics: await sql(
      'select recipients, queued, sending, accepted, sent, delivered, read, failed, rejected, skipped, unknown from campaigns.campaign_statistics where campaign_id = $1',
      [subject.campaignId],
    ),
  }
  return JSON.parse(own(JSON.stringify(rows))!)
}

const second = fc.integer({ min: 0, max: 600 })
const person = fc.integer({ min: 0, max: people - 1 })
const text = fc.constantFrom('Hello', 'Is it still there?', 'STOP', 'start', 'Olá 😀')
const something = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('text' as const), person, at: second, text }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('reaction' as const),
      person,
      at: second,
      about: fc.nat(7),
      emoji: fc.constantFrom('👍', '❤️', ''),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      at: second,
      about: fc.nat(7),
      text,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('revoke' as const), at: second, about: fc.nat(7) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('status' as const),
      attempt: fc.integer({ min: 0, max: attempts - 1 }),
      status: fc.constantFrom(
        'sent' as const,
        'delivered' as const,
        'read' as const,
        'failed' as const,
      ),
      at: second,
    }),
  },
)

/** In the order of its times. Only the author of a text edits or deletes it, and later. */
const history = fc.array(something, { minLength: 1, maxLength: 14 }).map((all): Said[] => {
  const texts = all.filter((s) => s.kind === 'text').map((s, i) => ({ ...s, n: i }))
  let n = texts.length
  const rest = all.flatMap((s): Said[] => {
    if (s.kind === 'text') return []
    if (s.kind === 'status') return [s]
    const about = texts[s.about % Math.max(texts.length, 1)]
    if (!about) return []
    const later = { ...s, n: n++, about: about.n, at: about.at + 1 + s.at }
    return [
      s.kind === 'reaction' ? { ...later, person: s.person } : { ...later, person: about.person },
    ] as Said[]
  })
  return [...texts, ...rest].sort((a, b) => a.at - b.at)
})

/** A history as Meta may deliver it: in order, one by one; and shuffled, with repetitions, in bodies of any size. */
export const deliveries = history.chain((said) =>
  fc.record({
    said: fc.constant(said),
    shuffled: fc
      .shuffledSubarray([...said, ...said], { minLength: said.length * 2 })
      .chain((all) =>
        fc
          .array(fc.integer({ min: 1, max: 5 }), { minLength: all.length, maxLength: all.length })
          .map((sizes) => batches(all, sizes)),
      ),
  }),
)

function batches(all: Said[], sizes: number[]): Said[][] {
  const bodies: Said[][] = []
  for (let at = 0; at < all.length; ) {
    const size = sizes[bodies.length] ?? 1
    bodies.push(all.slice(at, at + size))
    at += size
  }
  return bodies
}
