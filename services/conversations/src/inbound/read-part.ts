import type { FeedEntry } from '@lockstep/feeds'
import {
  appContacts,
  countElements,
  isKnownStatus,
  type MessageStatus,
  metaTimeMs,
  parseWebhook,
  statuses,
  type ThreadMessage,
  threadMessages,
  type UserPreference,
  userIdUpdates,
  userPreferences,
} from '@lockstep/whatsapp'
import {
  isIdentified,
  type KnownPerson,
  personOfAppContact,
  personOfIdUpdate,
  personOfMessage,
  personOfPreference,
} from './person.ts'

/** A message with the person who wrote or got it, ready to be stored. */
export interface PartMessage extends StoredFields {
  person: KnownPerson
  at: Date
  /** The element as Meta sent it. */
  payload: object
  receivedAt: Date
  /** When a call opened the window. */
  callOpenedAt: Date | null
}

/** What is stored of a message as it was read. */
type StoredFields = Pick<
  ThreadMessage,
  | 'wamid'
  | 'direction'
  | 'source'
  | 'type'
  | 'text'
  | 'groupId'
  | 'contextWamid'
  | 'targetWamid'
  | 'emoji'
  | 'media'
  | 'content'
  | 'call'
  | 'forwarded'
  | 'frequentlyForwarded'
  | 'referredProduct'
  | 'referral'
>

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
export function readPart(entry: FeedEntry, phoneNumberId: string): InboundPart {
  const { id, asOfMs } = entry
  const parsed = parseWebhook(entry.body)
  const ofNumber = <Element extends { phoneNumberId: string; timestampMs: number | null }>(
    elements: Element[],
  ) =>
    elements
      .filter((element) => element.phoneNumberId === phoneNumberId)
      .map((element) => ({ ...element, timestampMs: metaTimeMs(element.timestampMs, asOfMs) }))

  const threads = ofNumber(threadMessages(parsed))
  const preferences = ofNumber(userPreferences(parsed))
  const idUpdates = ofNumber(userIdUpdates(parsed))
  const bookEntries = ofNumber(appContacts(parsed))
  const allStatuses = ofNumber(statuses(parsed))

  const messages = threads.map((message) => toPartMessage(message, new Date(asOfMs)))
  const consents = preferences.filter(isConsent)
  const named = bookEntries.filter(({ name }) => name !== undefined)
  const known = allStatuses.filter(({ status }) => isKnownStatus(status))
  const updates = [
    ...consents.map(personOfPreference),
    ...idUpdates.map(personOfIdUpdate),
    ...named.map(personOfAppContact),
  ]
  const people = [...messages.map(({ person }) => person), ...updates]
  const all = [threads, preferences, idUpdates, bookEntries, allStatuses]
  return {
    id,
    asOfMs,
    messages: messages.filter(({ person }) => isIdentified(person)),
    updates: updates.filter(isIdentified),
    statuses: known,
    withoutEffect: {
      no_sender: people.filter((person) => !isIdentified(person)).length,
      unreadable: countElements(parsed, phoneNumberId) - all.flat().length,
      unknown:
        [preferences, bookEntries, allStatuses].flat().length -
        [consents, named, known].flat().length,
      no_match: 0,
    },
  }
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
  const { wamid, direction, source, type, text, groupId, contextWamid, targetWamid } = element
  const { emoji, media, content, call, timestampMs, opensMs = null, message } = element
  const { forwarded, frequentlyForwarded, referredProduct, referral } = element
  return {
    ...{ wamid, direction, source, type, text, groupId, contextWamid, targetWamid },
    ...{ emoji, media, content, ...(call && { call }) },
    ...{ forwarded, frequentlyForwarded, referredProduct, referral },
    person: personOfMessage(element),
    at: new Date(timestampMs),
    payload: message,
    receivedAt,
    callOpenedAt: opensMs === null ? null : new Date(metaTimeMs(opensMs, receivedAt.getTime())),
  }
}
