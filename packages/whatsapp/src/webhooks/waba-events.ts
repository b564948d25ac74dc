import {
  cleanJson,
  idOf,
  isObject,
  type JsonObject,
  listOf,
  objectOf,
  textOf,
  timestampMsOf,
} from '../json.ts'
import { errorsOf, type StatusError } from './statuses.ts'
import {
  changesOf,
  errorList,
  fieldRule,
  type ParsedWebhook,
  type WebhookChange,
  wabaIdOf,
} from './webhook-body.ts'

/**
 * An update of a template. Each names the template; the rest depends on the field. Codes are upper
 * case, as Meta writes them.
 */
export interface TemplateEvent {
  wabaId: string
  /**
   * message_template_status_update, message_template_quality_update,
   * message_template_components_update or template_category_update.
   */
  field: string
  timestampMs: number | null
  templateId: string
  name: string | undefined
  /** With `_`: webhooks sometimes write `en-US`. */
  language: string | undefined
  /**
   * New status: APPROVED, REJECTED, PAUSED, DISABLED and others (Meta,
   * message_template_status_update).
   */
  status: string | undefined
  /** As Meta says it. */
  reason: string | undefined
  category: string | undefined
  quality: string | undefined
  value: JsonObject
}

/**
 * Template updates of a body, in its order. Meta's own quality sample has the wrong field, so the
 * value decides; an announced category is no `category`.
 */
export function templateEvents(parsed: ParsedWebhook): TemplateEvent[] {
  return [...changesOf(parsed)].flatMap((change) => {
    if (change.field === null || fieldRule(change.field).lane !== 'webhooks.template') return []
    const value = cleanJson(change.value) as JsonObject
    const wabaId = wabaIdOf(change)
    const templateId = idOf(value.message_template_id)
    if (!wabaId || !templateId) return []
    const quality = textOf(value.new_quality_score)
    const info = { ...objectOf(value.other_info), ...objectOf(value.rejection_info) }
    const category = textOf(value.new_category) ?? textOf(value.message_template_category)
    return {
      wabaId,
      field: quality === undefined ? change.field : 'message_template_quality_update',
      timestampMs: change.entryTimeMs,
      templateId,
      name: textOf(value.message_template_name),
      language: textOf(value.message_template_language)?.replace('-', '_'),
      status: textOf(value.event),
      reason: textOf(info.reason) ?? textOf(info.description) ?? textOf(value.reason),
      category: value.correct_category === undefined ? category : undefined,
      quality,
      value,
    }
  })
}

/** An update of a WABA or one of its numbers; `value` as Meta's page of `field` describes it. */
export interface AccountEvent {
  wabaId: string
  field: string
  timestampMs: number | null
  value: JsonObject
}

/**
 * Account updates of a body, in its order, and errors that belong to no message, each with its
 * number.
 */
export function accountEvents(parsed: ParsedWebhook): AccountEvent[] {
  return [...changesOf(parsed)].flatMap((change) => {
    const { field } = change
    const wabaId = wabaIdOf(change)
    if (field === null || !wabaId) return []
    if (fieldRule(field).lists.includes(errorList)) return errorEvents(change, wabaId)
    if (fieldRule(field).lane !== 'webhooks.account') return []
    const value = cleanJson(change.value) as JsonObject
    const timestampMs = change.entryTimeMs ?? timestampMsOf(value.timestamp)
    return { wabaId, field, timestampMs, value }
  })
}

function errorEvents({ value, entryTimeMs }: WebhookChange, wabaId: string): AccountEvent[] {
  const metadata = cleanJson(objectOf(value.metadata)) as JsonObject
  return listOf(value[errorList])
    .filter(isObject)
    .map((error) => ({
      wabaId,
      field: 'messages',
      timestampMs: entryTimeMs,
      value: { metadata, errors: [cleanJson(error)] },
    }))
}

/** The error of an event that `accountEvents` has read from a value of messages or calls. */
export function eventError({
  field,
  value,
}: Pick<AccountEvent, 'field' | 'value'>): StatusError | undefined {
  if (field !== 'messages') return undefined
  return errorsOf(value.errors)[0] ?? { code: null, title: '', details: '' }
}
