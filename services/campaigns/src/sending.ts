import { events, secretPlaces } from '@lockstep/contracts'
import { type SendRoute, sendSlice as sendMessages } from '@lockstep/sending'
import { holdFenced } from '@lockstep/service'
import type { SendableTemplate } from '@lockstep/whatsapp'
import { complete } from './completing.ts'
import type { Context } from './context.ts'
import { moveCampaign, noteApp, noteWaiting } from './db/campaigns.ts'
import type { Campaign } from './db/entities.ts'
import { isUnheard, whyUnheard } from './hearing.ts'
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
export async function sendSlice(ctx: Context, campaign: Campaign, lease: AbortSignal): Promise<number | null> {
  await using held = await holdFenced(ctx, 'campaign_send', campaign.id)
  const { id, accountId } = campaign
  const means = await openMeans(ctx, campaign)
  if ('reason' in means) {
    await ctx.db.transaction(accountId, (tx) => moveCampaign(tx, id, ['sending'], 'paused', means))
    return null
  }
  const { waitsFor } = means
  if (waitsFor !== campaign.reason && (waitsFor || isUnheard(campaign.reason))) {
    await ctx.db.transaction(accountId, (tx) => noteWaiting(tx, id, waitsFor))
    ctx.messaging.publishEvent(events.campaignChanged, { campaignId: id })
  }
  // Those that are written to already are all that it waits for, perhaps.
  if (means.isRestricted) return (await complete(ctx, campaign)) ? null : askRestrictedMs * ctx.scale
  if (waitsFor) return askAgainMs * ctx.scale
  // Before the first message of which a status may come from there.
  if (means.appId !== campaign.appId) await ctx.db.transaction(accountId, (tx) => noteApp(tx, id, means.appId))
  const queue = campaignQueue(ctx, campaign, means.template, held)
  const end = await sendMessages(ctx, queue, means.route, {
    sliceMs: sliceMs * ctx.scale,
    claimLifeMs: claimLife * ctx.staleAfterMs,
    signal: AbortSignal.any([lease, held.signal]),
  })
  if (end.kind === 'more' && end.waitsFor !== campaign.reason)
    await ctx.db.transaction(accountId, (tx) => noteWaiting(tx, id, end.waitsFor))
  ctx.messaging.publishEvent(events.campaignChanged, { campaignId: id })
  if (end.error !== undefined) throw end.error
  if (end.kind === 'empty') return (await complete(ctx, campaign)) ? null : 0
  return end.kind === 'stopped' ? null : end.afterMs
}

/** What a slice sends with. */
interface Means {
  template: SendableTemplate
  route: SendRoute
  /** Why nothing may be claimed for now: Meta forbids it, or replies are not heard. Empty when all is well. */
  waitsFor: string
  isRestricted: boolean
  appId: string
}

/** Read anew for each slice: a template may be paused, a token replaced, a limit changed. Or in words why the campaign must not go on. */
async function openMeans(ctx: Context, campaign: Campaign): Promise<Means | { reason: string }> {
  const call = { accountId: campaign.accountId }
  const [connection, template] = await Promise.all([
    ctx.accounts.getConnection({ id: campaign.connectionId }, call),
    ctx.templates.getTemplate({ id: campaign.templateId }, call),
  ])
  if (connection.disconnectedAtMs !== undefined) return { reason: 'The number was disconnected. Connect it again and resume the campaign.' }
  if (connection.health === 'disabled') return { reason: connection.healthWords }
  if (template.status !== 'APPROVED')
    return { reason: `Template "${template.name}" is ${template.status} at Meta. Resume the campaign when it is approved again.` }
  if (template.wabaId !== connection.wabaId)
    return { reason: `Template "${template.name}" is of another WhatsApp Business Account than the number now. Start a new campaign.` }
  const components = JSON.parse(template.componentsJson)
  const misfit = misfitOf({ name: template.name, components }, campaign.values)
  if (misfit) return { reason: `${misfit}. Change the template back and resume, or start a new campaign.` }
  const { id: connectionId, phoneNumberId, perMinute, perSecond } = connection
  const accessToken = ctx.secrets.open(connection.sealedToken, secretPlaces.connection(connection.id, connection.accountId))
  const restricted = whyRestricted(connection, campaign)
  return {
    isRestricted: restricted !== '',
    waitsFor: restricted || (await whyUnheard(ctx, connection, template.category, longestSliceMs * ctx.scale)),
    template: { name: template.name, language: template.language, components },
    route: { connectionId, phoneNumberId, accessToken, perMinute, perSecond, class: 'bulk', category: template.category },
    appId: connection.appId,
  }
}
