import { setTimeout as delay } from 'node:timers/promises'
import { type AuditReport, audit } from '@lockstep/audit'
import type { Campaign, CampaignStatistics, Client, Connection } from '@lockstep/client'
import { withClient } from '@lockstep/database'
import type { SettingsPatch } from '@lockstep/meta-simulator'
import { openEntries } from '@lockstep/system'
import { demoCsv } from './demo-contacts.ts'
import type { Ready } from './ready.ts'
import type { Screen } from './screen.ts'
import type { Stack } from './stack.ts'

/** What the main job came to. recipients = accepted + failed + rejected + skipped + unknown. */
export interface Result extends Omit<CampaignStatistics, 'queued' | 'sending'> {
  /** Messages that Meta accepted more than once for one recipient. */
  duplicates: number
  replies: number
  violations: number
  seconds: number
}

/** Lively, but quick: people read, answer, ask to stop; some numbers are dead. */
const behaviour = {
  delaysMs: {
    sent: { min: 10, max: 80 },
    failed: { min: 20, max: 200 },
    delivered: { min: 50, max: 400 },
    read: { min: 100, max: 1_500 },
    reply: { min: 200, max: 1_500 },
  },
  shares: {
    undelivered: 0.03,
    read: 0.6,
    readWithoutDelivered: 0.05,
    failedThenDelivered: 0,
    reply: 0.08,
    stop: 0.1,
  },
  failed: { '131026': 0.015, '131049': 0.005 },
  errors: { shares: { '131009': 0.003 }, next: [] },
} satisfies SettingsPatch

/** Does the main job through the public API, in front of somebody's eyes. */
export async function runDemo(
  stack: Stack,
  ready: Ready,
  api: Client,
  screen: Screen,
  contacts: number,
): Promise<Result> {
  const startedAt = performance.now()
  await stack.simulator.client.setSettings(behaviour)
  screen.title('The main job')
  await sayConnection(api, ready, screen)
  await syncTemplates(api, ready, screen)
  const tag = `demo-${contacts}`
  await importContacts(api, screen, contacts, tag)
  const sinceMs = Date.now()
  const campaign = await sendCampaign(api, ready, screen, tag)
  const replies = await untilQuiet(stack, ready, api, screen, sinceMs)
  const { statistics } = await api.getCampaign({ id: campaign.id })
  const duplicates = await countDuplicates(stack, campaign.id)
  const report = await screen.step('Audit', async (say) => {
    const result = await audit({
      adminUrl: ready.postgres,
      simulatorLog: ready.simulator_log,
      redisUrl: ready.redis,
      natsUrl: ready.nats,
      settled: true,
    })
    say(`${result.invariants.length} invariants, ${violationsOf(result)} violations`)
    return result
  })
  const { queued: _, sending: __, ...counts } = statistics
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  const result = { ...counts, duplicates, replies, violations: violationsOf(report), seconds }
  showResult(screen, result)
  return result
}

const violationsOf = (report: AuditReport): number =>
  report.invariants.reduce((sum, invariant) => sum + invariant.violations, 0)

async function sayConnection(api: Client, ready: Ready, screen: Screen): Promise<void> {
  await screen.step('Number connected', async (say) => {
    const number = await findConnection(api, ready.connection_id)
    const pace = `at ${number.per_minute} messages a minute: the highest tier, for the demo (a new number gets 100)`
    say(
      [`${number.display_phone_number}, ${pace}`, number.health_reason].filter(Boolean).join('. '),
    )
  })
}

async function findConnection(api: Client, id: string): Promise<Connection> {
  for await (const connection of api.each.listConnections())
    if (connection.id === id) return connection
  throw new Error(`The account has no connection ${id}`)
}

async function syncTemplates(api: Client, ready: Ready, screen: Screen): Promise<void> {
  await screen.step('Templates synced', async (say) => {
    const { id } = await api.startTemplateSync({ id: ready.connection_id })
    const done = await poll(
      () => api.getTemplateSync({ id }),
      (sync) => sync.state === 'done' || sync.state === 'failed',
    )
    if (done.state === 'failed') throw new Error(`The template sync failed: ${done.failure}`)
    say(`${done.seen} templates`)
  })
}

async function importContacts(
  api: Client,
  screen: Screen,
  contacts: number,
  tag: string,
): Promise<void> {
  const { id } = await api.createContactImport({
    file_name: 'demo.csv',
    body: () => encoded(demoCsv(contacts, tag)),
  })
  const bar = screen.bar('Import', contacts)
  const done = await poll(
    () => api.getContactImport({ id }),
    (state) => state.state === 'done' || state.state === 'failed',
    (state) => bar.update(Math.min(state.rows, contacts), `${state.created} new`),
  )
  if (done.state === 'failed') throw new Error(`The import failed: ${done.failure}`)
  bar.end(`${done.created} new contacts, ${done.updated} known, ${done.rejected} rows refused`)
  const { errors } = await api.listImportErrors({ id, limit: 3 })
  for (const { line, reason } of errors) screen.line(screen.dim(`      line ${line}: ${reason}`))
}

function* encoded(lines: Iterable<string>): Iterable<Uint8Array> {
  const encoder = new TextEncoder()
  for (const line of lines) yield encoder.encode(line)
}

async function sendCampaign(
  api: Client,
  ready: Ready,
  screen: Screen,
  tag: string,
): Promise<Campaign> {
  const { id } = await api.createCampaign({
    body: {
      name: `Spring offer, ${new Date().toISOString().slice(0, 19)}`,
      connection_id: ready.connection_id,
      template_name: 'spring_offer',
      template_language: 'en_US',
      filter: { tags: [tag] },
      values: { 'header.1': '{{name}}', 'body.1': '20 %', 'body.2': 'Sunday' },
    },
  })
  await api.startCampaign({ id })
  const read = () => api.getCampaign({ id })
  const prepared = await poll(read, (campaign) => campaign.state !== 'preparing')
  const bar = screen.bar('Campaign', prepared.statistics.recipients || 1)
  const done = await poll(read, isOver, ({ statistics: s }) => {
    bar.update(
      s.recipients - s.queued - s.sending,
      `${s.accepted} accepted, ${s.delivered} delivered, ${s.read} read`,
    )
  })
  if (done.state !== 'completed') throw new Error(`The campaign is ${done.state}: ${done.reason}`)
  const { recipients, queued, sending } = done.statistics
  bar.end(`${recipients - queued - sending} of ${recipients} handled`)
  return done
}

const isOver = ({ state }: Campaign): boolean =>
  ['completed', 'paused', 'failed', 'cancelled'].includes(state)

/** Waits until Meta has sent every status and reply, and all of them have had their effect. */
async function untilQuiet(
  stack: Stack,
  ready: Ready,
  api: Client,
  screen: Screen,
  sinceMs: number,
): Promise<number> {
  return screen.step('Statuses and replies', async (say) => {
    const summary = await stack.simulator.client.drain({ deadlineMs: 60_000 })
    if (!summary.drained)
      throw new Error('The simulator still has webhooks to deliver after a minute')
    await poll(
      () => countOpen(ready.postgres),
      (open) => open === 0,
    )
    const { messages } = await api.countInbound({
      connection_id: ready.connection_id,
      since_ms: sinceMs,
    })
    say(`all webhooks have had their effect, ${messages} replies`)
    return messages
  })
}

function countOpen(adminUrl: string): Promise<number> {
  return withClient(
    adminUrl,
    async (client) => (await client.query<{ open: number }>(openEntries())).rows[0]!.open,
  )
}

async function countDuplicates(stack: Stack, campaignId: string): Promise<number> {
  const accepted = await stack.simulator.client.accepted({ callbackPrefix: `lk1.c.${campaignId}.` })
  return accepted.length - new Set(accepted.map((post) => post.recipient)).size
}

async function poll<T>(
  read: () => Promise<T>,
  isDone: (value: T) => boolean,
  show: (value: T) => void = () => {},
): Promise<T> {
  for (const deadline = Date.now() + 30 * 60_000; ; await delay(100)) {
    const value = await read()
    show(value)
    if (isDone(value)) return value
    if (Date.now() > deadline)
      throw new Error('The main job did not come to an end within half an hour')
  }
}

const meanings: [keyof Result, string][] = [
  ['recipients', 'people with the tag'],
  ['accepted', 'accepted by Meta and not failed later'],
  ['sent', ''],
  ['delivered', ''],
  ['read', ''],
  ['failed', 'accepted, then not deliverable'],
  ['rejected', 'refused by Meta at once'],
  ['skipped', 'opted out or blocked: never written to'],
  ['unknown', 'Meta did not say; never sent again blindly'],
  ['duplicates', 'accepted more than once for one person'],
  ['replies', 'inbound messages in conversations'],
  ['violations', 'of the invariants, found by the audit'],
]

function showResult(screen: Screen, result: Result): void {
  screen.line()
  screen.table(
    ['', 'count', ''],
    meanings.map(([name, meaning]) => [name, result[name], meaning]),
  )
}
