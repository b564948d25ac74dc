import {
  type GraphTemplate,
  objectOf,
  type TemplateEvent,
  textOf,
  timestampMsOf,
} from '@lockstep/whatsapp'
import type { Template } from './db/entities.ts'

/** Lists and webhooks write a language as `en_US` or `en-US` (meta-cloud-api.md §5): one of the two, so that it is found. */
export function normaliseLanguage(language: string): string {
  return language.replaceAll('-', '_')
}

/** The templates of a page, each name and language once: an upsert can't write a row twice. */
export function uniqueTemplates(templates: GraphTemplate[]): GraphTemplate[] {
  const normal = templates.map((template) => ({
    ...template,
    language: normaliseLanguage(template.language),
  }))
  return [
    ...new Map(
      normal.map((template) => [`${template.name} ${template.language}`, template]),
    ).values(),
  ]
}

/** True when an event says something that a template's row holds. */
export function isOfUse(event: TemplateEvent): boolean {
  return (
    Boolean(event.status ?? event.quality ?? event.category) ||
    isAboutCategory(event) ||
    isAboutComponents(event)
  )
}

const isAboutCategory = ({ field }: TemplateEvent) => field === 'template_category_update'

/** True for news that a template's components were changed. It names only part of them: the whole is in the list. */
export const isAboutComponents = ({ field }: TemplateEvent) =>
  field === 'message_template_components_update'

/** Events that leave a template approved, or make it so again: a list names none of them (meta-cloud-api.md §5, "Status values"). */
const approving = new Set(['REINSTATED', 'UNPAUSED', 'UNARCHIVED', 'FLAGGED'])

/**
 * Our clock and Meta's may differ, and Meta dates webhooks in whole seconds: an event counts as older than a list only when it
 * is this much older.
 */
export const clockMarginMs = 60_000

/**
 * Applies news about a template. Webhooks come in any order and hours late, and carry a time but no version: each of status,
 * quality and category takes only news that isn't older than its last, nor older than the list that it was last read from.
 */
export function applyEvent(template: Template, event: TemplateEvent, at: Date): void {
  const isNews = (last: Date | null | undefined) =>
    at.getTime() >= (last?.getTime() ?? template.syncedAt.getTime() - clockMarginMs)
  if (event.status && isNews(template.statusEventAt)) {
    template.status = approving.has(event.status) ? 'APPROVED' : event.status
    template.rejectedReason = textOf(event.value.reason) ?? 'NONE'
    template.statusReason = statusReason(event)
    template.statusEventAt = at
  }
  if (event.quality && isNews(template.qualityEventAt)) {
    template.quality = event.quality
    template.qualityEventAt = at
  }
  if (event.category && isNews(template.categoryEventAt)) {
    template.category = event.category
    template.categoryEventAt = at
  }
  if (isAboutCategory(event)) applyAnnouncement(template, event, at)
}

/**
 * Meta announces a change of category a day ahead and tells when it is done; the announcement's `correct_category` is what is to
 * come, its `new_category` what still is (Meta, template_category_update). A list says nothing of it.
 */
function applyAnnouncement(template: Template, { value }: TemplateEvent, at: Date): void {
  if (template.announcementEventAt && at < template.announcementEventAt) return
  const next = textOf(value.correct_category) ?? ''
  const isDue = next === template.category
  const from = timestampMsOf(value.category_update_timestamp)
  template.nextCategory = isDue ? '' : next
  template.nextCategoryAt = isDue || !next || from === null ? null : new Date(from)
  template.announcementEventAt = at
}

/** Why a template has its status, as far as Meta says: which pause it is, what was rejected and how to mend it, when it ends. */
function statusReason({ value }: TemplateEvent): string {
  const { title, description } = objectOf(value.other_info)
  const { reason, recommendation } = objectOf(value.rejection_info)
  const { disable_date } = objectOf(value.disable_info)
  const date = timestampMsOf(disable_date)
  const disabled = date === null ? textOf(disable_date) : new Date(date).toISOString()
  const words = [title, description, reason, recommendation].map(textOf)
  return [...words, disabled && `Disabled on ${disabled}`]
    .filter(Boolean)
    .join(' · ')
    .slice(0, 2_000)
}

/** True when the components that the row holds are older than this news, and no sync was ordered for it yet. */
export function isOutdated({ componentsEventAt, syncedAt }: Template, at: Date): boolean {
  return (
    (componentsEventAt == null || at > componentsEventAt) &&
    at.getTime() > syncedAt.getTime() - clockMarginMs
  )
}
