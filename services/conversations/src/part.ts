import type { FeedEntry } from '@lockstep/database'
import type { InboundPerson } from '@lockstep/rpc/gen/contacts'
import { type InboundMessage, inboundMessages, type MessageStatus, parseWebhook, statuses, userPreferences } from '@lockstep/whatsapp'

/** A message with its sender, which can be stored. */
export interface Message {
  person: InboundPerson
  wamid: string
  type: string
  text: string
  at: Date
  contextWamid: string | undefined
  payload: object
  receivedAt: Date
}

/** What one webhook part says about one number. */
export interface Part {
  id: string
  messages: Message[]
  /** People's choices about marketing, made inside WhatsApp. */
  preferences: InboundPerson[]
  statuses: (MessageStatus & { timestampMs: number })[]
  /** Messages whose sender can't be read: nobody's conversation can hold them. */
  senderless: number
}

/** A WhatsApp id is a phone number's digits. Another text would be refused by `contacts`, and its neighbours with it. */
const waIdPattern = /^\d{5,20}$/

/** Reads the elements of a part that belong to a number; a time that can't be read becomes that of the receipt. */
export function readPart(entry: FeedEntry, phoneNumberId: string): Part {
  const parsed = parseWebhook(entry.body)
  const ofNumber = <Element extends { phoneNumberId: string; timestampMs: number | null }>(elements: Element[]) =>
    elements
      .filter((element) => element.phoneNumberId === phoneNumberId)
      .map((element) => ({ ...element, timestampMs: element.timestampMs ?? entry.createdAtMs }))
  const isKnown = ({ waId = '', userId }: { waId?: string | undefined; userId?: string | undefined }) => userId || waIdPattern.test(waId)
  const inbound = ofNumber(inboundMessages(parsed))
  const withSender = inbound.filter(({ from, userId }) => isKnown({ waId: from, userId }))
  return {
    id: entry.id,
    messages: withSender.map((message) => toMessage(message, new Date(entry.createdAtMs))),
    preferences: ofNumber(userPreferences(parsed))
      .filter((said) => isKnown(said) && (said.preference === 'stop' || said.preference === 'resume'))
      .map(({ waId, userId, preference, timestampMs }) => person({ waId, userId, atMs: timestampMs, preference })),
    statuses: ofNumber(statuses(parsed)),
    senderless: inbound.length - withSender.length,
  }
}

function toMessage(message: InboundMessage & { timestampMs: number }, receivedAt: Date): Message {
  const { wamid, type, text, contextWamid, timestampMs, from, userId, profileName, stopText } = message
  return {
    person: person({ waId: from, userId, profileName, atMs: timestampMs, text: stopText, wamid }),
    wamid,
    type,
    text,
    at: new Date(timestampMs),
    contextWamid,
    payload: message.message,
    receivedAt,
  }
}

/** An element's person as `contacts` takes it, where what is not known is empty. */
function person({ atMs, ...known }: { [Field in keyof InboundPerson]?: InboundPerson[Field] | undefined } & { atMs: number }) {
  const { waId = '', userId = '', profileName = '', text = '', wamid = '', preference = '' } = known
  return { waId: waIdPattern.test(waId) ? waId : '', userId, profileName, text, wamid, preference, atMs }
}

/**
 * What became of a part: `unmatched` when its statuses are about messages that nobody sent from here, or its messages no
 * sender that can be read; `kept` when it holds nothing that is acted upon.
 */
export function outcomeOf(part: Part, matchedWamids: ReadonlySet<string>): 'done' | 'unmatched' | 'kept' {
  if (part.messages.length + part.preferences.length > 0) return 'done'
  if (part.statuses.some(({ wamid }) => matchedWamids.has(wamid))) return 'done'
  return part.statuses.length + part.senderless > 0 ? 'unmatched' : 'kept'
}
