import type { GraphTemplate, TemplateEvent } from '@lockstep/whatsapp'
import type { Template } from './db/entities.ts'

/** Lists and webhooks write a language as `en_US` or `en-US` (meta-cloud-api.md §5): one of the two, so that it is found. */
export function normaliseLanguage(language: string): string {
  return language.replaceAll('-', '_')
}

/** The templates of a page, each name and language once: an upsert can't write a row twice. */
export function uniqueTemplates(templates: GraphTemplate[]): GraphTemplate[] {
  const normal = templates.map((template) => ({ ...template, language: normaliseLanguage(template.language) }))
  return [...new Map(normal.map((template) => [`${template.name} ${template.language}`, template])).values()]
}

/** True when an event says something that a template's row holds; a change of its words only shows in the next sync. */
export function isOfUse({ status, quality, category }: TemplateEvent): boolean {
  return Boolean(status ?? quality ?? category)
}

/** Events that leave a template approved, or make it so again: a list names none of them (meta-cloud-api.md §5, "Status values"). */
const approving = new Set(['REINSTATED', 'UNPAUSED', 'UNARCHIVED', 'FLAGGED'])

/** Our clock and Meta's may differ: an event counts as older than a list only when it is this much older. */
const clockMarginMs = 60_000

/**
 * Applies news about a template. Webhooks come in any order and hours late, and carry a time but no version: each of status,
 * quality and category takes only news that isn't older than its last, nor older than the list that it was last read from.
 */
export function applyEvent(template: Template, event: TemplateEvent, at: Date): void {
  const isNews = (last: Date | null | undefined) => at.getTime() >= (last?.getTime() ?? template.syncedAt.getTime() - clockMarginMs)
  if (event.status && isNews(template.statusEventAt)) {
    template.status = approving.has(event.status) ? 'APPROVED' : event.status
    template.rejectedReason = event.reason ?? 'NONE'
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
}
