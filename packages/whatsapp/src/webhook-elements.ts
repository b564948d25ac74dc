import { classifyGraphError, codeOf, refusalCodes, withDetails } from './graph-errors.ts'
import {
  cleanJson,
  idOf,
  isObject,
  type JsonObject,
  listOf,
  objectOf,
  textOf,
  timestampMsOf,
} from './json.ts'
import { type Pricing, participantOf, pricingOf } from './message-content.ts'
import { idsOf, userIdOf, waIdOf } from './meta-ids.ts'
import { type Directory, directoryOf } from './sender.ts'
import {
  type Change,
  changesOf,
  errorList,
  fieldRule,
  type ParsedWebhook,
  phoneNumberIdOf,
  wabaIdOf,
} from './webhook.ts'

/** What Meta says about a message of ours (Meta, webhooks/reference/messages/status). */
export interface MessageStatus {
  phoneNumberId: string
  wamid: string
  /** sent, delivered, read, failed, played, or a word that is not known yet. */
  status: string
  timestampMs: number | null
  /** What we sent as `biz_opaque_callback_data`; to be checked with `Tokens.read`. */
  token: string | undefined
  recipientId: string | undefined
  userId: string | undefined
  /** Of a message to a group, which has statuses for each participant: one is told from another by wamid, status and participant. */
  participantId: string | undefined
  errors: StatusError[]
  /** On sent and on one of delivered and read. */
  pricing: Pricing | undefined
  /** id, origin and expiration, where Meta still sends them (free entry points since v24). */
  conversation: JsonObject | undefined
}

export interface StatusError {
  code: number | null
  title: string
  details: string
}

/** The error that explains a failed status: the recipient's refusal before any other, else the first; undefined when Meta gave none. */
export function mainError(errors: readonly StatusError[]): StatusError | undefined {
  const [refusal] = refusalCodes(errors.map(({ code }) => code))
  return errors.find(({ code }) => code === refusal) ?? errors[0]
}

/** Why a failed status failed, for a person, and its code. */
export function statusFailure(errors: readonly StatusError[]): {
  code: number | null
  message: string
} {
  const error = mainError(errors)
  if (!error) return { code: null, message: 'Meta did not deliver it and gave no reason.' }
  const { message } = classifyGraphError(error.code)
  return { code: error.code, message: withDetails(message, error.details || error.title) }
}

/** Statuses that say what became of a message; others, of old pages or still to come, say nothing that is known (status reference). */
export const isKnownStatus = (status: string): boolean =>
  ['sent', 'delivered', 'read', 'played', 'failed'].includes(status)

/** Statuses of a body, in its order. Elements without an id or a status are skipped. */
export function statuses(parsed: ParsedWebhook): MessageStatus[] {
  return elements(parsed, 'messages', 'statuses').flatMap(({ item, phoneNumberId }) => {
    const wamid = idOf(item.id)
    const status = textOf(item.status)
    if (!wamid || !status) return []
    return {
      phoneNumberId,
      wamid,
      status,
      timestampMs: timestampMsOf(item.timestamp),
      token: textOf(item.biz_opaque_callback_data),
      recipientId: idOf(item.recipient_id),
      userId: userIdOf(item.recipient_user_id),
      participantId: participantOf(item),
      errors: errorsOf(item.errors),
      pricing: pricingOf(item),
      conversation: isObject(item.conversation)
        ? (cleanJson(item.conversation) as JsonObject)
        : undefined,
    }
  })
}

/** Errors in their old shape {code, title, details} and their new one {code, title, message, error_data{details}}, or one without a list. */
function errorsOf(value: unknown): StatusError[] {
  return (isObject(value) ? [value] : listOf(value))
    .filter(isObject)
    .map((error) => ({
      code: codeOf(error.code),
      title: textOf(error.title) ?? textOf(error.message) ?? '',
      details:
        textOf(objectOf(error.error_data).details) ??
        textOf(error.details) ??
        textOf(error.message) ??
        '',
    }))
    .filter(({ code, title, details }) => code !== null || title !== '' || details !== '')
}

/** A person's choice about marketing, made inside WhatsApp (Meta, user_preferences). */
export interface UserPreference {
  phoneNumberId: string
  waId: string | undefined
  userId: string | undefined
  parentUserId: string | undefined
  /** `stop`, `resume`, or `signup` from a sign-up link. */
  preference: string
  /** Of a sign-up. */
  signupId: string | undefined
  /** `marketing_messages`. */
  category: string | undefined
  timestampMs: number | null
}

/** Marketing preferences of a body, in its order. */
export function userPreferences(parsed: ParsedWebhook): UserPreference[] {
  return elements(parsed, 'user_preferences', 'user_preferences').flatMap(
    ({ item, phoneNumberId, people }) => {
      const preference = textOf(item.value)
      const { wa_id, user_id, parent_user_id } = item
      const own = {
        ...idsOf(wa_id, user_id),
        parentUserId: userIdOf(parent_user_id),
        isNamed: (wa_id ?? user_id) != null,
      }
      const { waId, userId, parentUserId } = people().find(own)
      if (!preference || !(waId ?? userId)) return []
      const said = {
        preference,
        signupId: idOf(item.signup_id),
        category: textOf(item.category),
        timestampMs: timestampMsOf(item.timestamp),
      }
      return { phoneNumberId, waId, userId, parentUserId, ...said }
    },
  )
}

/** A person's user id changed, because their number did (Meta, business-scoped-user-ids). */
export interface UserIdUpdate {
  phoneNumberId: string
  waId: string | undefined
  /** Undefined when it is none; the number leads to the person then. */
  previous: string | undefined
  current: string
  /** That of now. */
  parentUserId: string | undefined
  timestampMs: number | null
}

/** Changed user ids of a body, in its order. */
export function userIdUpdates(parsed: ParsedWebhook): UserIdUpdate[] {
  return elements(parsed, 'user_id_update', 'user_id_update').flatMap(({ item, phoneNumberId }) => {
    const { previous, current } = objectOf(item.user_id)
    const ids = { previous: userIdOf(previous), current: userIdOf(current) }
    const { timestamp, wa_id } = item
    const { waId } = idsOf(wa_id, ids.current)
    if (!ids.current || !(waId ?? ids.previous)) return []
    const parentUserId = userIdOf(objectOf(item.parent_user_id).current)
    return {
      phoneNumberId,
      waId,
      parentUserId,
      previous: ids.previous,
      current: ids.current,
      timestampMs: timestampMsOf(timestamp),
    }
  })
}

/** News about a template. Each names the template; the rest depends on the field. Codes are upper case, as Meta writes them. */
export interface TemplateEvent {
  wabaId: string
  /** message_template_status_update, message_template_quality_update, message_template_components_update or template_category_update. */
  field: string
  timestampMs: number | null
  templateId: string
  name: string | undefined
  /** With `_`: webhooks sometimes write `en-US`. */
  language: string | undefined
  /** New status: APPROVED, REJECTED, PAUSED, DISABLED and others (Meta, message_template_status_update). */
  status: string | undefined
  /** Why, in Meta's words. */
  reason: string | undefined
  category: string | undefined
  quality: string | undefined
  value: JsonObject
}

/**
 * Template news of a body, in its order. The field is read from the value where the two differ: Meta's own quality sample names the
 * status field. A category update with `correct_category` only announces a change 24 hours ahead, so it has no `category`.
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
    return {
      wabaId,
      field: quality === undefined ? change.field : 'message_template_quality_update',
      timestampMs: change.entryTimeMs,
      templateId,
      name: textOf(value.message_template_name),
      language: textOf(value.message_template_language)?.replace('-', '_'),
      status: textOf(value.event),
      reason: textOf(info.reason) ?? textOf(info.description) ?? textOf(value.reason),
      category:
        value.correct_category === undefined
          ? (textOf(value.new_category) ?? textOf(value.message_template_category))
          : undefined,
      quality,
      value,
    }
  })
}

/** News about a WABA or one of its numbers; `value` as Meta's page of `field` describes it. */
export interface AccountEvent {
  wabaId: string
  field: string
  timestampMs: number | null
  value: JsonObject
}

/** Account news of a body, in its order; errors that belong to no message are among them, each with the number that it is about. */
export function accountEvents(parsed: ParsedWebhook): AccountEvent[] {
  return [...changesOf(parsed)].flatMap((change) => {
    const { field } = change
    const wabaId = wabaIdOf(change)
    if (field === null || !wabaId) return []
    if (fieldRule(field).lists.includes(errorList)) return errorEvents(change, wabaId)
    if (fieldRule(field).lane !== 'webhooks.account') return []
    const value = cleanJson(change.value) as JsonObject
    return {
      wabaId,
      field,
      timestampMs: change.entryTimeMs ?? timestampMsOf(value.timestamp),
      value,
    }
  })
}

function errorEvents({ value, entryTimeMs }: Change, wabaId: string): AccountEvent[] {
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
  return field === 'messages'
    ? (errorsOf(value.errors)[0] ?? { code: null, title: '', details: '' })
    : undefined
}

export interface Element {
  item: JsonObject
  phoneNumberId: string
  /** The number itself, in digits, as far as the value tells it. */
  ownNumber: string | undefined
  wabaId: string | undefined
  /** Those whom the value's `contacts` name, read when they are asked for. */
  people(): Directory
}

/** The elements of one list of a field that have a number, in their order. */
export function elements(parsed: ParsedWebhook, field: string, list: string): Element[] {
  return [...changesOf(parsed)].flatMap((change) => {
    const phoneNumberId = phoneNumberIdOf(change.value)
    if (change.field !== field || !phoneNumberId) return []
    let directory: Directory | undefined
    const people = () => {
      directory ??= directoryOf(change.value, list)
      return directory
    }
    const ownNumber = waIdOf(objectOf(change.value.metadata).display_phone_number)
    const common = { phoneNumberId, ownNumber, wabaId: change.entryId, people }
    return listOf(change.value[list])
      .filter(isObject)
      .map((item) => ({ ...common, item }))
  })
}
