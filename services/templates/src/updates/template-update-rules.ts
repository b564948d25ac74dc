import {
  metaClockMarginMs,
  objectOf,
  type TemplateEvent,
  textOf,
  timestampMsOf,
} from '@lockstep/whatsapp'
import type { Template } from '../db/entities.ts'

/** Whether an event says something that a template's row holds. */
export function isRelevant(event: TemplateEvent): boolean {
  return (
    Boolean(event.status ?? event.quality ?? event.category) ||
    isAboutCategory(event) ||
    isAboutComponents(event)
  )
}

const isAboutCategory = ({ field }: TemplateEvent) => field === 'template_category_update'

/** The event of changed components names only part of them: the whole is in the list. */
export const isAboutComponents = ({ field }: TemplateEvent) =>
  field === 'message_template_components_update'

/**
 * Events that leave a template approved, or make it so again: a list names none of them
 * (meta-cloud-api.md §5, "Status values").
 */
const approving = new Set(['REINSTATED', 'UNPAUSED', 'UNARCHIVED', 'FLAGGED'])

/**
 * Events come in any order and hours late: status, quality and category each take none older than
 * their last, or than the list they were read from.
 */
export function applyEvent(template: Template, event: TemplateEvent, at: Date): void {
  const isNewer = (last: Date | null | undefined) =>
    at.getTime() >= (last?.getTime() ?? template.syncedAt.getTime() - metaClockMarginMs)
  if (event.status && isNewer(template.statusEventAt)) {
    template.status = approving.has(event.status) ? 'APPROVED' : event.status
    template.rejectedReason = textOf(event.value.reason) ?? 'NONE'
    template.statusReason = statusReason(event)
    template.statusEventAt = at
  }
  if (event.quality && isNewer(template.qualityEventAt)) {
    template.quality = event.quality
    template.qualityEventAt = at
  }
  if (event.category && isNewer(template.categoryEventAt)) {
    template.category = event.category
    template.categoryEventAt = at
  }
  if (isAboutCategory(event)) applyAnnouncement(template, event, at)
}

/**
 * Meta announces a change of category a day ahead, and tells when it is done: `correct_category` is
 * what is to come, `new_category` what still is (Meta, template_category_update).
 */
function applyAnnouncement(template: Template, { value }: TemplateEvent, at: Date): void {
  if (template.announcementEventAt && at < template.announcementEventAt) return
  const next = textOf(value.correct_category) ?? ''
  const isDone = next === template.category
  const from = timestampMsOf(value.category_update_timestamp)
  template.nextCategory = isDone ? '' : next
  template.nextCategoryAt = isDone || !next || from === null ? null : new Date(from)
  template.announcementEventAt = at
}

/** As far as Meta says: which pause it is, what was rejected and how to mend it, when it ends. */
function statusReason({ value }: TemplateEvent): string {
  const { title, description } = objectOf(value.other_info)
  const { reason, recommendation } = objectOf(value.rejection_info)
  const { disable_date } = objectOf(value.disable_info)
  const date = timestampMsOf(disable_date)
  const disabled = date === null ? textOf(disable_date) : new Date(date).toISOString()
  const parts = [title, description, reason, recommendation].map(textOf)
  return [...parts, disabled && `Disabled on ${disabled}`]
    .filter(Boolean)
    .join(' · ')
    .slice(0, 2_000)
}

/** Whether the row's components are older than this event, and no sync was queued for it yet. */
export function isOutdated({ componentsEventAt, syncedAt }: Template, at: Date): boolean {
  return (
    (componentsEventAt == null || at > componentsEventAt) &&
    at.getTime() > syncedAt.getTime() - metaClockMarginMs
  )
}
