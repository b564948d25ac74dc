import { z } from 'zod'
import type { Context } from './context.ts'
import { ControlError } from './control-error.ts'
import { noChange } from './state.ts'
import { type Template, templateKey } from './templates.ts'

/** The body of `POST /_sim/template-event`: what Meta decided about a template. One webhook goes out for each decision given. */
export const templateEventInput = z.strictObject({
  wabaId: z.string(),
  name: z.string(),
  language: z.string(),
  /** New status; `DELETED` takes the template out of the list. */
  event: z.string().optional(),
  reason: z.string().nullable().optional(),
  newCategory: z.enum(['MARKETING', 'UTILITY', 'AUTHENTICATION']).optional(),
  newQuality: z.enum(['GREEN', 'YELLOW', 'RED', 'UNKNOWN']).optional(),
})

/** What an event makes of a template's status: these two put it back to work (meta-cloud-api.md §5 "Status values"). */
const statusAfter: Record<string, string> = {
  REINSTATED: 'APPROVED',
  UNPAUSED: 'APPROVED',
  UNARCHIVED: 'APPROVED',
  FLAGGED: 'APPROVED',
}

/** Changes the template and tells the apps. */
export async function templateEvent(ctx: Context, input: z.output<typeof templateEventInput>) {
  const key = templateKey(input.name, input.language)
  const list = ctx.world.templates.get(input.wabaId)
  const template = list?.get(key)?.template
  if (!template)
    throw new ControlError(
      404,
      `WABA ${input.wabaId} has no template ${input.name} in ${input.language}.`,
    )
  const { event, newCategory, newQuality } = input
  const changed = {
    ...template,
    ...(event && { status: statusAfter[event] ?? event }),
    ...(newCategory && { category: newCategory }),
    ...(newQuality && { quality_score: { score: newQuality } }),
  }
  await ctx.changeState({ ...noChange, templates: { [input.wabaId]: [changed] } })

  const values = webhookValues(input, template, changed)
  for (const [field, value] of values) {
    const line = {
      atMs: Date.now(),
      kind: 'event',
      id: `e${ctx.log.seq + 1}`,
      wabaId: input.wabaId,
      field,
      value,
    } as const
    await ctx.log.append(line)
    ctx.emit(line)
  }
  return { webhooks: values.length, template: changed }
}

/** What is told of a decision, by webhook field; shapes: meta-cloud-api.md §2. */
function webhookValues(
  { event, reason = 'NONE', newCategory, newQuality }: z.output<typeof templateEventInput>,
  template: Template,
  changed: Template,
): [string, Record<string, unknown>][] {
  const about = {
    message_template_id: template.id,
    message_template_name: template.name,
    message_template_language: template.language,
  }
  const values: [string, Record<string, unknown>][] = []
  if (event) {
    values.push([
      'message_template_status_update',
      { event, ...about, reason, message_template_category: changed.category },
    ])
  }
  if (newCategory)
    values.push([
      'template_category_update',
      { ...about, previous_category: template.category, new_category: newCategory },
    ])
  if (newQuality) {
    const previous = (template.quality_score as { score?: string } | undefined)?.score ?? 'UNKNOWN'
    values.push([
      'message_template_quality_update',
      { previous_quality_score: previous, new_quality_score: newQuality, ...about },
    ])
  }
  return values
}
