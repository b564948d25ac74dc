import type { FeedEntry } from '@lockstep/feeds'
import {
  isKnownStatus,
  type MessageStatus,
  metaTimeMs,
  parseWebhook,
  type ThreadMessage,
  type UserPreference,
  type WebhookElement,
  webhookElements,
} from '@lockstep/whatsapp'
import { type MessageFields, pickFields } from '../db/message-fields.ts'
import {
  isIdentified,
  type KnownPerson,
  personOfAppContact,
  personOfIdUpdate,
  personOfMessage,
  personOfPreference,
} from './person.ts'

/** A message with the person who wrote or got it, ready to be stored. */
export interface PartMessage
  extends MessageFields,
    Pick<ThreadMessage, 'wamid' | 'groupId' | 'emoji' | 'call'> {
  person: KnownPerson
  at: Date
  /** The element as Meta sent it. */
  payload: object
  receivedAt: Date
  /** When a call opened the window. */
  callOpenedAt: Date | null
}

/** What one webhook part says about one number. */
export interface InboundPart {
  id: string
  /** When it was received. */
  asOfMs: number
  messages: PartMessage[]
  /**
   * People who wrote nothing: a choice about marketing, another user id, a name in the phone's
   * address book.
   */
  updates: KnownPerson[]
  /** Those with a known status. */
  statuses: (MessageStatus & { timestampMs: number })[]
  withoutEffect: ElementCounts
}

/** Elements that can have no effect, by reason. */
export type ElementCounts = Record<'no_sender' | 'unreadable' | 'unknown' | 'no_match', number>

/** Reads the elements of a part that belong to a number. */
export function readPart({ id, asOfMs, body }: FeedEntry, phoneNumberId: string): InboundPart {
  const withoutEffect = { no_sender: 0, unreadable: 0, unknown: 0, no_match: 0 }
  const part: InboundPart = { id, asOfMs, messages: [], updates: [], statuses: [], withoutEffect }
  for (const element of webhookElements(parseWebhook(body)))
    if (element.phoneNumberId === phoneNumberId) {
      const reason = addElement(part, element)
      if (reason) withoutEffect[reason] += 1
    }
  return part
}

/** Adds an element to its part; answers why it can have no effect, if it can have none. */
function addElement(part: InboundPart, element: WebhookElement): keyof ElementCounts | undefined {
  if (element.kind === 'unreadable') return 'unreadable'
  const timestampMs = metaTimeMs(element.value.timestampMs, part.asOfMs)
  switch (element.kind) {
    case 'message': {
      const message = toPartMessage({ ...element.value, timestampMs }, new Date(part.asOfMs))
      if (!isIdentified(message.person)) return 'no_sender'
      part.messages.push(message)
      return undefined
    }
    case 'status':
      if (!isKnownStatus(element.value.status)) return 'unknown'
      part.statuses.push({ ...element.value, timestampMs })
      return undefined
    case 'preference':
      if (!isConsent(element.value)) return 'unknown'
      return addUpdate(part, personOfPreference({ ...element.value, timestampMs }))
    case 'user_id_update':
      return addUpdate(part, personOfIdUpdate({ ...element.value, timestampMs }))
    case 'app_contact':
      if (element.value.name === undefined) return 'unknown'
      return addUpdate(part, personOfAppContact({ ...element.value, timestampMs }))
  }
}

function addUpdate(part: InboundPart, person: KnownPerson): 'no_sender' | undefined {
  if (!isIdentified(person)) return 'no_sender'
  part.updates.push(person)
  return undefined
}

/** A stop counts whatever it is about, a resume or sign-up only for marketing. */
function isConsent({ preference, category = 'marketing_messages' }: UserPreference): boolean {
  return (
    preference === 'stop' ||
    (['resume', 'signup'].includes(preference) && category === 'marketing_messages')
  )
}

function toPartMessage(
  element: ThreadMessage & { timestampMs: number },
  receivedAt: Date,
): PartMessage {
  const { wamid, groupId, emoji, call, timestampMs, opensMs = null, message } = element
  return {
    ...pickFields(element),
    ...{ wamid, groupId, emoji, ...(call && { call }) },
    person: personOfMessage(element),
    at: new Date(timestampMs),
    payload: message,
    receivedAt,
    callOpenedAt: opensMs === null ? null : new Date(metaTimeMs(opensMs, receivedAt.getTime())),
  }
}
