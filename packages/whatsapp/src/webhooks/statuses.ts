import { classifyGraphError, codeOf, refusalCodes, withDetails } from '../graph/graph-errors.ts'
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
import { userIdOf } from '../meta-ids.ts'
import type { Element } from './element.ts'
import { type Pricing, participantOf, pricingOf } from './message-content.ts'

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
  /**
   * A message to a group has statuses for each participant, told apart by wamid, status and
   * participant.
   */
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

/**
 * The error that explains a failed status: the recipient's refusal before any other, else the
 * first; undefined when Meta gave none.
 */
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

/**
 * False for statuses of old pages or still to come, which say nothing of a message that is known
 * (status reference).
 */
export const isKnownStatus = (status: string): boolean =>
  ['sent', 'delivered', 'read', 'played', 'failed'].includes(status)

/** Undefined without an id or a status. */
export function readStatus({ item, phoneNumberId }: Element): MessageStatus | undefined {
  const wamid = idOf(item.id)
  const status = textOf(item.status)
  if (!wamid || !status) return undefined
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
}

/**
 * Errors in their old shape {code, title, details} and their new one {code, title, message,
 * error_data{details}}, or one without a list.
 */
export function errorsOf(value: unknown): StatusError[] {
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
