import { AppError } from '@lockstep/contracts'
import type { Call } from '@lockstep/rpc'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { GetTemplateRequest, Template } from '@lockstep/rpc/gen/templates'
import { requireId } from '@lockstep/service'
import { checkValues } from '../audience/template-values.ts'
import type { Context } from '../context.ts'
import type { Campaign } from '../db/entities.ts'

/** The number that a draft is sent from. */
export const draftConnection = (ctx: Context, id: string, call: Call): Promise<Connection> =>
  ctx.peers.accounts.getConnection({ id: requireId(id, 'connection') }, call)

/**
 * The template of a draft, which must have a value for each variable; whether it is approved is
 * asked at the start.
 */
export async function draftTemplate(
  ctx: Context,
  asked: Partial<GetTemplateRequest>,
  values: Record<string, string>,
  call: Call,
): Promise<Template> {
  const template = await ctx.peers.templates.getTemplate(asked, call)
  checkValues({ name: template.name, components: JSON.parse(template.componentsJson) }, values)
  return template
}

/** The tags of a filter. Throws `invalid` where there are none. */
export function requireTags(filter: { tags: string[] } | undefined): string[] {
  const tags = filter?.tags ?? []
  if (tags.length === 0)
    throw new AppError(
      'invalid',
      'A campaign needs a filter with at least one tag; an empty filter never means everybody',
    )
  return tags
}

/** What of a draft was checked must be what is written or started. Throws `conflict`. */
export function requireSameDraft(campaign: Campaign, checked: Campaign): void {
  const partOf = ({ connectionId, templateId, values }: Campaign) =>
    JSON.stringify([connectionId, templateId, values])
  if (partOf(campaign) !== partOf(checked))
    throw new AppError(
      'conflict',
      `Campaign "${campaign.name}" was changed meanwhile; look at it and send the request again`,
    )
}

/** Throws `conflict` with a reason for a campaign that was started. */
export function requireDraft({ name, state }: Campaign, reason: string): void {
  if (state !== 'draft') throw new AppError('conflict', `Campaign "${name}" is ${state}; ${reason}`)
}
