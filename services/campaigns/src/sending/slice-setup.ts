import type { CampaignWait } from '@lockstep/contracts'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { Template } from '@lockstep/rpc/gen/templates'
import type { SendRoute, Wait } from '@lockstep/sending'
import { graphAccess } from '@lockstep/service'
import type { SendableTemplate } from '@lockstep/whatsapp'
import { misfitOf } from '../audience/template-values.ts'
import type { Context } from '../context.ts'
import type { Campaign } from '../db/entities.ts'
import { whyRestricted } from './restriction.ts'
import { whyUnhandled } from './unhandled-replies.ts'

/** What a slice sends with. */
export interface SliceSetup {
  template: SendableTemplate
  route: SendRoute
  /** Why nothing may be claimed for now. */
  wait: Wait<CampaignWait> | null
  appId: string
}

/**
 * Read anew for each slice, for limits, tokens and templates change; or the reason why the campaign
 * must not go on.
 */
export async function readSetup(
  ctx: Context,
  campaign: Campaign,
): Promise<SliceSetup | { reason: string }> {
  const call = { accountId: campaign.accountId }
  const [connection, template] = await Promise.all([
    ctx.peers.accounts.getConnection({ id: campaign.connectionId }, call),
    ctx.peers.templates.getTemplate({ id: campaign.templateId }, call),
  ])
  const components = JSON.parse(template.componentsJson)
  const reason = whyNotSendable(connection, template, components, campaign)
  if (reason) return { reason }
  return {
    wait: await waitOf(ctx, connection, campaign, template.category),
    template: { name: template.name, language: template.language, components },
    route: routeOf(ctx, connection, template.category),
    appId: connection.appId,
  }
}

function whyNotSendable(
  connection: Connection,
  template: Template,
  components: readonly unknown[],
  { values }: Campaign,
): string | null {
  const { name, status } = template
  if (connection.disconnectedAtMs !== undefined)
    return 'The number was disconnected. Connect it again and resume the campaign.'
  if (connection.health === 'disabled') return connection.healthReason
  if (status !== 'APPROVED')
    return `Template "${name}" is ${status} at Meta. Resume the campaign when it is approved again.`
  if (template.wabaId !== connection.wabaId)
    return `Template "${name}" is of another WhatsApp Business Account than the number now. Start a new campaign.`
  const misfit = misfitOf({ name, components }, values)
  return misfit && `${misfit}. Change the template back and resume, or start a new campaign.`
}

function routeOf(ctx: Context, connection: Connection, category: string): SendRoute {
  const { id, phoneNumberId, perMinute, perSecond } = connection
  const access = graphAccess(ctx.secrets, connection)
  const limits = { perMinute, perSecond, class: 'bulk' } as const
  return { connectionId: id, phoneNumberId, access, ...limits, category }
}

/**
 * Whether nothing may be claimed for now: Meta lets nobody be written to first, or replies are not
 * handled.
 */
async function waitOf(
  ctx: Context,
  connection: Connection,
  campaign: Campaign,
  category: string,
): Promise<Wait<CampaignWait> | null> {
  const restricted = whyRestricted(connection, campaign)
  if (restricted) return { for: 'restriction', reason: restricted }
  const unhandled = await whyUnhandled(ctx, connection, category)
  return unhandled ? { for: 'replies', reason: unhandled } : null
}
