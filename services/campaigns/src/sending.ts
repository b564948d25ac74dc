import { setTimeout as delay } from 'node:timers/promises'
import { events, secretPlaces } from '@lockstep/contracts'
import { fence } from '@lockstep/database'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import { type FencedLock, holdFenced } from '@lockstep/service'
import type { SendableTemplate } from '@lockstep/whatsapp'
import type { Context } from './context.ts'
import { findCampaign, moveCampaign } from './db/campaigns.ts'
import type { Campaign } from './db/entities.ts'
import { type Claimed, claimRecipients, waiting } from './db/recipients.ts'
import { addStatistics } from './db/statistics.ts'
import { dispatch } from './posting.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { noStatistics } from './statistics.ts'
import { misfitOf } from './values.ts'

/** How long a campaign sends before its lane is given back, so that pause, deploys and other campaigns need not wait longer. */
const sliceMs = 3_000
/** Recipients claimed in one statement, at most. */
const maxClaim = 200
/** Recipients that one look at the queue counts, at most: it is looked at again when they are claimed. */
const maxReady = 1_000
/** How long a slice waits at its end for messages under way; slower ones finish on their own, for outcomes need no lock. */
const lingerMs = 500
/** How soon to look again while nothing is queued and messages are still under way somewhere. */
const lookAgainMs = 250

/** What a slice sends with. Read anew in each: a template may be paused, a token replaced, a limit changed. */
export interface Slice {
  campaign: Campaign
  connection: Connection
  accessToken: string
  template: SendableTemplate
  marketing: boolean
  recorder: Recorder
}

/** Sends for a few seconds. Answers after how many ms there is more to do, or null when the campaign is over or was stopped. */
export async function sendSlice(ctx: Context, campaign: Campaign, lease: AbortSignal): Promise<number | null> {
  await using held = await holdFenced(ctx, 'campaign_send', campaign.id)
  const slice = await openSlice(ctx, campaign)
  if ('reason' in slice) {
    await ctx.db.transaction(campaign.accountId, (tx) => moveCampaign(tx, campaign.id, ['sending'], 'paused', slice))
    return null
  }
  const end = await roll(ctx, slice, held, AbortSignal.any([lease, held.signal]))
  ctx.messaging.publishEvent(events.campaignChanged, { campaignId: campaign.id })
  if (end === 'over') return (await complete(ctx, campaign)) ? null : 0
  return end === 'stopped' ? null : end
}

/** What the slice sends with, or in words why the campaign must not go on. */
async function openSlice(ctx: Context, campaign: Campaign): Promise<Slice | { reason: string }> {
  const call = { accountId: campaign.accountId }
  const [connection, template] = await Promise.all([
    ctx.accounts.getConnection({ id: campaign.connectionId }, call),
    ctx.templates.getTemplate({ id: campaign.templateId }, call),
  ])
  if (connection.disconnectedAtMs !== undefined)
    return { reason: 'The number was disconnected. Connect it again and start a new campaign.' }
  if (connection.health === 'disabled') return { reason: connection.healthWords }
  if (template.status !== 'APPROVED')
    return { reason: `Template "${template.name}" is ${template.status} at Meta. Resume the campaign when it is approved again.` }
  const components = JSON.parse(template.componentsJson)
  const misfit = misfitOf({ name: template.name, components }, campaign.values)
  if (misfit) return { reason: `${misfit}. Change the template back and resume, or start a new campaign.` }
  return {
    campaign,
    connection,
    accessToken: ctx.secrets.open(connection.sealedToken, secretPlaces.connection(connection.id, connection.accountId)),
    template: { name: template.name, language: template.language, components },
    marketing: template.category === 'MARKETING',
    recorder: createRecorder(ctx, campaign.accountId, campaign.id),
  }
}

/** `over`: everybody has a final state; `stopped`: a person or Meta stopped the campaign; else more to do in so many ms. */
type End = 'over' | 'stopped' | number

/** Claims and sends while there are recipients, slots and time; what is under way at the end is waited for a little. */
async function roll(ctx: Context, slice: Slice, held: FencedLock, signal: AbortSignal): Promise<End> {
  try {
    return await claimAndSend(ctx, slice, held, signal)
  } finally {
    await Promise.race([Promise.all(underWay(ctx, slice)), delay(lingerMs * ctx.scale)])
  }
}

/** At most `sendConcurrency` messages of a campaign are under way, those of earlier slices among them. */
async function claimAndSend(ctx: Context, slice: Slice, held: FencedLock, signal: AbortSignal): Promise<End> {
  const { sendConcurrency } = ctx.config
  const endAt = performance.now() + sliceMs * ctx.scale
  const over = delay(sliceMs * ctx.scale)
  const queue = { ready: 0 }
  while (performance.now() < endAt && !signal.aborted) {
    const free = sendConcurrency - underWay(ctx, slice).length
    if (free < sendConcurrency / 4) {
      await Promise.race([...underWay(ctx, slice), over])
      continue
    }
    const step = await nextStep(ctx, slice, held, queue, Math.min(free, maxClaim), signal)
    if (step === 'over' || step === 'stopped') return step
    if (Array.isArray(step)) {
      for (const send of step) track(ctx, slice, send)
      continue
    }
    if (performance.now() + step > endAt) return step
    const sends = underWay(ctx, slice)
    await Promise.race([delay(step), ...(sends.length > 0 ? [Promise.all(sends)] : [])])
  }
  return 0
}

/** Messages that are under way now, or after how many ms to look again. `queue.ready` is how many wait by the last look at them. */
async function nextStep(
  ctx: Context,
  slice: Slice,
  held: FencedLock,
  queue: { ready: number },
  free: number,
  signal: AbortSignal,
): Promise<Promise<void>[] | End> {
  const { campaign, connection } = slice
  const { accountId } = campaign
  if (queue.ready === 0) {
    const now = await ctx.db.transaction(accountId, (tx) => waiting(tx, campaign.id, maxReady))
    if (now.state !== 'sending') return 'stopped'
    if (now.ready === 0) {
      if (now.nextMs !== null) return Math.max(now.nextMs, 10)
      return now.sending ? lookAgainMs * ctx.scale : 'over'
    }
    queue.ready = now.ready
  }
  const { perMinute, perSecond } = connection
  const want = { connectionId: connection.id, perMinute, perSecond, class: 'bulk', count: Math.min(queue.ready, free) } as const
  const { slots, retryAfterMs } = await ctx.limiter.takeSend(want)
  if (slots.length === 0) return Math.max(retryAfterMs ?? 0, 10)
  const claimed = await ctx.db.transaction(accountId, (tx) => claim(tx, campaign.id, slots.length, held), { signal })
  // Fewer than there are slots: somebody else has taken them, or the campaign was stopped.
  queue.ready = claimed.length < slots.length ? 0 : queue.ready - claimed.length
  return dispatch(ctx, slice, claimed, slots)
}

async function claim(tx: Parameters<typeof claimRecipients>[0], campaignId: string, limit: number, held: FencedLock): Promise<Claimed[]> {
  await fence(tx, held.fence)
  const claimed = await claimRecipients(tx, campaignId, limit, held.fence.token)
  await addStatistics(tx, new Map([[campaignId, { ...noStatistics(), queued: -claimed.length, sending: claimed.length }]]))
  return claimed
}

const underWay = (ctx: Context, { campaign }: Slice): Promise<void>[] => [...(ctx.underWay.get(campaign.id) ?? [])]

function track(ctx: Context, { campaign: { id } }: Slice, send: Promise<void>): void {
  const sends = ctx.underWay.get(id) ?? new Set()
  ctx.underWay.set(id, sends)
  const tracked = send.finally(() => {
    sends.delete(tracked)
    if (sends.size === 0) ctx.underWay.delete(id)
  })
  sends.add(tracked)
}

/** sending → completed, unless somebody was put back into the queue meanwhile, or the campaign was stopped. */
async function complete(ctx: Context, campaign: Campaign): Promise<boolean> {
  const done = await ctx.db.transaction(campaign.accountId, async (tx) => {
    await findCampaign(tx, campaign.id, { lock: true })
    const { ready, nextMs, sending } = await waiting(tx, campaign.id, 1)
    if (ready > 0 || nextMs !== null || sending) return false
    return moveCampaign(tx, campaign.id, ['sending'], 'completed', { finishedAt: new Date(ctx.now()) })
  })
  if (done) ctx.log.info({ campaignId: campaign.id }, 'A campaign is complete')
  return done
}
