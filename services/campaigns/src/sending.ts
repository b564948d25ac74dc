import { events, secretPlaces } from '@lockstep/contracts'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import {
  type SliceEnd as MessagesEnd,
  type SendRoute,
  sendSlice as sendMessages,
} from '@lockstep/sending'
import { type FencedLock, holdFenced } from '@lockstep/service'
import type { SendableTemplate } from '@lockstep/whatsapp'
import type { CampaignWait } from './campaign.ts'
import { complete } from './completing.ts'
import type { Context } from './context.ts'
import { moveCampaign, noteApp, noteWaiting } from './db/campaigns.ts'
import type { Campaign } from './db/entities.ts'
import { whyUnheard } from './hearing.ts'
import { campaignQueue } from './queue.ts'
import { whyRestricted } from './restricted.ts'
import { misfitOf } from './values.ts'

/** How long a campaign sends before its lane is given back, so that pause, deploys and other campaigns need not wait longer. */
const sliceMs = 3_000
/** With the answer before it and the last claim at its end. */
const longestSliceMs = sliceMs + 1_000
/** So soon it is asked again whether replies are heard. */
const askAgainMs = 1_000
/** A restriction mostly lasts for days; so soon it is asked again whether it is over. */
const askRestrictedMs = 10_000
/** A claimed message is begun within this part of the time after which others take its process for dead. */
const claimLife = 0.4

/** Sends for a few seconds. Answers after how many ms there is more to do, or null when the campaign is over or was stopped. */
export async function sendSlice(
  ctx: Context,
  campaign: Campaign,
  lease: AbortSignal,
): Promise<number | null> {
  await using lock = await holdFenced(ctx, 'campaign_send', campaign.id)
  const { id, accountId } = campaign
  const means = await openMeans(ctx, campaign)
  if ('reason' in means) {
    await ctx.db.transaction(accountId, (tx) => moveCampaign(tx, id, ['sending'], 'paused', means))
    return null
  }
  const end: SliceEnd = means.bar
    ? barred(means.bar, ctx.scale)
    : await send(ctx, campaign, means, lock, lease)
  const isNew =
    (end.wait?.for ?? '') !== campaign.waitsFor || (end.wait?.words ?? '') !== campaign.reason
  if (isNew) await ctx.db.transaction(accountId, (tx) => noteWaiting(tx, id, end.wait))
  if (isNew || !means.bar) ctx.messaging.publishEvent(events.campaignChanged, { campaignId: id })
  if (end.error !== undefined) throw end.error
  if (end.kind === 'empty') return (await complete(ctx, campaign)) ? null : end.afterMs
  return end.kind === 'stopped' ? null : end.afterMs
}

type SliceEnd = Omit<MessagesEnd, 'wait'> & { wait: CampaignWait | null }

/** A slice in which nothing may be claimed. While Meta restricts the number, those that are written to already are all that it waits for, perhaps. */
function barred(wait: CampaignWait, scale: number): SliceEnd {
  const isRestricted = wait.for === 'restriction'
  return {
    kind: isRestricted ? 'empty' : 'more',
    afterMs: (isRestricted ? askRestrictedMs : askAgainMs) * scale,
    wait,
  }
}

async function send(
  ctx: Context,
  campaign: Campaign,
  means: Means,
  lock: FencedLock,
  lease: AbortSignal,
): Promise<SliceEnd> {
  const { id, accountId } = campaign
  // Before the first message of which a status may come from there.
  if (means.appId !== campaign.appId)
    await ctx.db.transaction(accountId, (tx) => noteApp(tx, id, means.appId))
  return sendMessages(ctx, campaignQueue(ctx, campaign, means.template, lock), means.route, {
    sliceMs: sliceMs * ctx.scale,
    claimLifeMs: claimLife * ctx.staleAfterMs,
    signal: AbortSignal.any([lease, lock.signal]),
  })
}

/** What a slice sends with. */
interface Means {
  template: SendableTemplate
  route: SendRoute
  /** Why nothing may be claimed for now: Meta forbids it, or replies are not heard. Null when all is well. */
  bar: CampaignWait | null
  appId: string
}

/** Read anew for each slice: a template may be paused, a token replaced, a limit changed. Or in words why the campaign must not go on. */
async function openMeans(ctx: Context, campaign: Campaign): Promise<Means | { reason: string }> {
  const call = { accountId: campaign.accountId }
  const [connection, template] = await Promise.all([
    ctx.peers.accounts.getConnection({ id: campaign.connectionId }, call),
    ctx.peers.templates.getTemplate({ id: campaign.templateId }, call),
  ])
  if (connection.disconnectedAtMs !== undefined)
    return { reason: 'The number was disconnected. Connect it again and resume the campaign.' }
  if (connection.health === 'disabled') return { reason: connection.healthWords }
  if (template.status !== 'APPROVED')
    return {
      reason: `Template "${template.name}" is ${template.status} at Meta. Resume the campaign when it is approved again.`,
    }
  if (template.wabaId !== connection.wabaId)
    return {
      reason: `Template "${template.name}" is of another WhatsApp Business Account than the number now. Start a new campaign.`,
    }
  const components = JSON.parse(template.componentsJson)
  const misfit = misfitOf({ name: template.name, components }, campaign.values)
  if (misfit)
    return { reason: `${misfit}. Change the template back and resume, or start a new campaign.` }
  const { id: connectionId, phoneNumberId, perMinute, perSecond } = connection
  const accessToken = ctx.secrets.open(
    connection.sealedToken,
    secretPlaces.connection(connection.id, connection.accountId),
  )
  return {
    bar: await barOf(ctx, connection, campaign, template.category),
    template: { name: template.name, language: template.language, components },
    route: {
      connectionId,
      phoneNumberId,
      accessToken,
      perMinute,
      perSecond,
      class: 'bulk',
      category: template.category,
    },
    appId: connection.appId,
  }
}

/** Whether nothing may be claimed for now: Meta lets nobody be written to first, or replies are not heard. */
async function barOf(
  ctx: Context,
  connection: Connection,
  campaign: Campaign,
  category: string,
): Promise<CampaignWait | null> {
  const restricted = whyRestricted(connection, campaign)
  if (restricted) return { for: 'restriction', words: restricted }
  const unheard = await whyUnheard(ctx, connection, category, longestSliceMs * ctx.scale)
  return unheard ? { for: 'replies', words: unheard } : null
}
