import type { FeedEntry } from '@lockstep/database'
import type { InboundPerson } from '@lockstep/rpc/gen/contacts'
import {
  type InboundMessage,
  inboundMessages,
  isKnownStatus,
  type MessageStatus,
  parseWebhook,
  type StatusError,
  statuses,
  type UserPreference,
  userIdUpdates,
  userPreferences,
  valueErrors,
} from '@lockstep/whatsapp'
import { isInbound } from './kind.ts'

/** A message with its sender, which can be stored. */
export interface Message extends Stored {
  person: InboundPerson
  at: Date
  payload: object
  receivedAt: Date
}

type Stored = Pick<
  InboundMessage,
  | 'wamid'
  | 'type'
  | 'text'
  | 'contextWamid'
  | 'targetWamid'
  | 'emoji'
  | 'media'
  | 'content'
  | 'forwarded'
  | 'frequentlyForwarded'
  | 'referredProduct'
  | 'referral'
>

/** What one webhook part says about one number. */
export interface Part {
  id: string
  messages: Message[]
  /** People who wrote nothing: they chose about marketing inside WhatsApp, or have another user id. */
  news: InboundPerson[]
  /** Those whose words are known. */
  statuses: (MessageStatus & { timestampMs: number })[]
  /** Messages whose sender can't be read: nobody's conversation can hold them. */
  senderless: number
  /** What is wrong with the number or its account, as Meta says without a message. */
  errors: StatusError[]
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
  const inbound = ofNumber(inboundMessages(parsed))
  const messages = inbound.map((message) => toMessage(message, new Date(entry.createdAtMs))).filter(({ person }) => isKnown(person))
  const choices = ofNumber(userPreferences(parsed))
    .filter(isConsent)
    .map(({ waId, userId, preference, timestampMs }) => person({ waId, userId, atMs: timestampMs, preference, silent: true }))
  const changes = ofNumber(userIdUpdates(parsed)).map(({ waId, previous, current, timestampMs }) =>
    person({ waId, userId: current, movedFromUserId: previous, atMs: timestampMs, silent: true }),
  )
  return {
    id: entry.id,
    messages,
    news: [...choices, ...changes].filter(isKnown),
    statuses: ofNumber(statuses(parsed)).filter(({ status }) => isKnownStatus(status)),
    senderless: inbound.length - messages.length,
    errors: valueErrors(parsed).filter((error) => error.phoneNumberId === phoneNumberId),
  }
}

/** A stop counts whatever it is about, a resume only for what it can be about. A sign-up says nothing about an earlier stop. */
function isConsent({ preference, category }: UserPreference): boolean {
  return preference === 'stop' || (preference === 'resume' && (category ?? 'marketing_messages') === 'marketing_messages')
}

const isKnown = ({ waId, userId }: InboundPerson): boolean => waId !== '' || userId !== ''

function toMessage(message: InboundMessage & { timestampMs: number }, receivedAt: Date): Message {
  const { wamid, type, timestampMs, profileName, stopText, button, move, message: payload } = message
  const { text, contextWamid, targetWamid, emoji, media, content, forwarded, frequentlyForwarded, referredProduct, referral } = message
  const sender = { waId: message.from, userId: message.userId }
  const ids = move ? { ...move.to, movedFromWaId: move.from.waId, movedFromUserId: move.from.userId } : sender
  return {
    person: person({ ...ids, profileName, atMs: timestampMs, text: stopText, button, wamid, silent: !isInbound(type) }),
    ...{ wamid, type, text, contextWamid, targetWamid, emoji, media, content, forwarded, frequentlyForwarded, referredProduct, referral },
    at: new Date(timestampMs),
    payload,
    receivedAt,
  }
}

/** An element's person as `contacts` takes it, where what is not known is empty. */
function person({ atMs, ...known }: { [Field in keyof InboundPerson]?: InboundPerson[Field] | undefined } & { atMs: number }) {
  const { waId = '', userId = '', profileName = '', text = '', wamid = '', preference = '', button = false, silent = false } = known
  const { movedFromWaId = '', movedFromUserId = '' } = known
  const digits = (id: string) => (waIdPattern.test(id) ? id : '')
  const ids = { waId: digits(waId), userId, movedFromWaId: digits(movedFromWaId), movedFromUserId }
  return { ...ids, profileName, text, wamid, preference, button, silent, atMs }
}

/**
 * What became of a part: `unmatched` when its statuses are about messages that nobody sent from here, or its messages no
 * sender that can be read; `kept` when it holds nothing that is acted upon.
 */
export function outcomeOf(part: Part, matchedWamids: ReadonlySet<string>): 'done' | 'unmatched' | 'kept' {
  if (part.messages.length + part.news.length > 0) return 'done'
  if (part.statuses.some(({ wamid }) => matchedWamids.has(wamid))) return 'done'
  return part.statuses.length + part.senderless > 0 ? 'unmatched' : 'kept'
}
