import { AppError } from '@lockstep/contracts'
import { userIdPattern } from '../meta-ids.ts'

/**
 * Whom a message goes to: a phone number (digits, with or without +) or a business-scoped user id.
 */
export type Addressee = { phone: string } | { userId: string }

/** The body of a POST to `/{phone-number-id}/messages` (Meta, messages/send-messages). */
export interface MessageBody {
  messaging_product: 'whatsapp'
  recipient_type: 'individual'
  /** `+E.164`: without the plus Meta puts the sender's own country code in front. */
  to?: string
  /** A business-scoped user id (Meta, business-scoped-user-ids). */
  recipient?: string
  type: string
  /** Echoed on each status of this message. */
  biz_opaque_callback_data: string
  context?: { message_id: string }
  [node: string]: unknown
}

/** Longest text body (Meta, messages/text-messages). */
const maxText = 4096

/**
 * What every message has: addressee, type and token. Throws AppError `invalid` for an address that
 * can't be one.
 */
export function envelope(to: Addressee, type: string, token: string): MessageBody {
  const common = {
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    type,
    biz_opaque_callback_data: token,
  } as const
  if ('userId' in to) {
    if (!userIdPattern.test(to.userId))
      throw new AppError('invalid', `"${to.userId}" is not a WhatsApp user id`)
    return { ...common, recipient: to.userId }
  }
  const digits = to.phone.replace(/^\+/, '')
  if (!/^[1-9]\d{6,14}$/.test(digits))
    throw new AppError('invalid', `"${to.phone}" is not a phone number with its country code`)
  return { ...common, to: `+${digits}` }
}

/**
 * A free text, allowed only within 24 hours of the person's last message. Throws AppError `invalid`
 * when it is empty or too long.
 */
export function buildTextMessage(message: {
  to: Addressee
  text: string
  token: string
  contextWamid?: string
}): MessageBody {
  const { to, text, token, contextWamid } = message
  if (text.trim() === '') throw new AppError('invalid', 'The text is empty')
  if (text.length > maxText)
    throw new AppError(
      'invalid',
      `The text has ${text.length} characters; WhatsApp takes at most ${maxText}`,
    )
  const context = contextWamid === undefined ? {} : { context: { message_id: contextWamid } }
  return { ...envelope(to, 'text', token), ...context, text: { body: text, preview_url: false } }
}
