import type { FeedEntry } from '@lockstep/feeds'
import type { InboundPerson } from '@lockstep/rpc/gen/contacts'
import {
  appContacts,
  countElements,
  isKnownStatus,
  type MessageStatus,
  metaTimeMs,
  parseWebhook,
  type Sender,
  statuses,
  type ThreadMessage,
  threadMessages,
  type UserPreference,
  userIdUpdates,
  userPreferences,
} from '@lockstep/whatsapp'
import { isInbound } from './kind.ts'

/** A person as `contacts` takes it, but for the call's own ref. */
type KnownPerson = Omit<InboundPerson, 'ref'>

/** A message with the person who wrote or got it, which can be stored. */
export interface Message extends Stored {
  person: KnownPerson
  at: Date
  payload: object
  receivedAt: Date
  /** When a call opened the window. */
  opensAt: Date | null
}

/** What is stored of a message as it was read. */
type Stored = Omit<
  ThreadMessage,
  | keyof Sender
  | 'phoneNumberId'
  | 'opensMs'
  | 'wabaId'
  | 'from'
  | 'timestampMs'
  | 'stopText'
  | 'button'
  | 'stopOnly'
  | 'move'
  | 'message'
>

/** What one webhook part says about one number. */
export interface Part {
  id: string
  /** When it was received. */
  asOfMs: number
  messages: Message[]
  /** People who wrote nothing: they chose about marketing inside WhatsApp, have another user id, or a name in the phone's address book. */
  news: KnownPerson[]
  /** Those whose words are known. */
  statuses: (MessageStatus & { timestampMs: number })[]
  /** Elements that can have no effect, by why. */
  lost: Losses
}

/** Why an element has no effect, in words that follow a number. */
const losses = {
  senderless: 'without a sender that can be read',
  unreadable: 'without an id or in another shape',
  unknown:
    'that nobody acts on: statuses or preferences with an unknown word, names that the phone app gave up',
  unmatched: 'about messages that were not sent from here',
}
type Losses = Record<keyof typeof losses, number>

/** Reads the elements of a part that belong to a number; a time that can't be read, or is later, becomes that of the receipt. */
export function readPart(entry: FeedEntry, phoneNumberId: string): Part {
  const parsed = parseWebhook(entry.body)
  const ofNumber = <Element extends { phoneNumberId: string; timestampMs: number | null }>(
    elements: Element[],
  ) =>
    elements
      .filter((element) => element.phoneNumberId === phoneNumberId)
      .map((element) => ({
        ...element,
        timestampMs: metaTimeMs(element.timestampMs, entry.asOfMs),
      }))
  const said = ofNumber(threadMessages(parsed))
  const messages = said
    .map((message) => toMessage(message, new Date(entry.asOfMs)))
    .filter(({ person }) => isKnown(person))
  const preferences = ofNumber(userPreferences(parsed))
  const consents = preferences.filter(isConsent)
  const choices = consents.map(({ preference, signupId, timestampMs, ...ids }) =>
    person({
      ...ids,
      atMs: timestampMs,
      preference,
      wamid: signupId && `sign-up ${signupId}`,
      silent: true,
    }),
  )
  const updates = ofNumber(userIdUpdates(parsed))
  const changes = updates.map(({ waId, parentUserId, previous, current, timestampMs }) =>
    person({
      waId,
      parentUserId,
      userId: current,
      movedFromUserId: previous,
      atMs: timestampMs,
      silent: true,
    }),
  )
  const book = ofNumber(appContacts(parsed))
  const named = book.flatMap(({ waId, userId, name, timestampMs }) =>
    name === undefined
      ? []
      : person({ waId, userId, givenName: name, atMs: timestampMs, silent: true }),
  )
  const news = [...choices, ...changes, ...named].filter(isKnown)
  const told = ofNumber(statuses(parsed))
  const known = told.filter(({ status }) => isKnownStatus(status))
  const read = said.length + preferences.length + updates.length + book.length + told.length
  const lost = {
    senderless:
      said.length - messages.length + choices.length + changes.length + named.length - news.length,
    unreadable: countElements(parsed, phoneNumberId) - read,
    unknown:
      told.length -
      known.length +
      preferences.length -
      consents.length +
      book.length -
      named.length,
    unmatched: 0,
  }
  return { id: entry.id, asOfMs: entry.asOfMs, messages, news, statuses: known, lost }
}

/** A stop counts whatever it is about, a resume or sign-up only for what it can be about. */
function isConsent({ preference, category = 'marketing_messages' }: UserPreference): boolean {
  return (
    preference === 'stop' ||
    (['resume', 'signup'].includes(preference) && category === 'marketing_messages')
  )
}

const isKnown = ({ waId, userId }: KnownPerson): boolean => waId !== '' || userId !== ''

function toMessage(message: ThreadMessage & { timestampMs: number }, receivedAt: Date): Message {
  const { phoneNumberId: _, wabaId: __, from, userId, parentUserId, move, ...said } = message
  const {
    timestampMs,
    profileName,
    username,
    stopText,
    button,
    stopOnly,
    opensMs = null,
    message: payload,
    ...stored
  } = said
  const { wamid, groupId } = stored
  const ids = move
    ? { ...move.to, movedFromWaId: move.from.waId, movedFromUserId: move.from.userId }
    : { waId: from, userId, parentUserId }
  // Who writes to a group has said nothing to the number itself.
  const silent = !isInbound(stored) || groupId !== undefined
  return {
    person: person({
      ...ids,
      profileName,
      username,
      atMs: timestampMs,
      text: stopText,
      button,
      stopOnly,
      wamid,
      silent,
    }),
    ...stored,
    at: new Date(timestampMs),
    payload,
    receivedAt,
    opensAt: opensMs === null ? null : new Date(metaTimeMs(opensMs, receivedAt.getTime())),
  }
}

/** An element's person as `contacts` takes it, where what is not known is empty. */
function person({
  atMs,
  ...known
}: { [Field in keyof KnownPerson]?: KnownPerson[Field] | undefined } & { atMs: number }) {
  const {
    waId = '',
    userId = '',
    parentUserId = '',
    movedFromWaId = '',
    movedFromUserId = '',
  } = known
  const {
    profileName = '',
    givenName = '',
    username = '',
    text = '',
    wamid = '',
    preference = '',
  } = known
  const { button = false, stopOnly = false, silent = false } = known
  const ids = { accountId: '', waId, userId, parentUserId, movedFromWaId, movedFromUserId }
  return {
    ...ids,
    profileName,
    givenName,
    username,
    text,
    wamid,
    preference,
    button,
    stopOnly,
    silent,
    atMs,
  }
}

/** A status may be faster than the commit of the answer that names its message: for so long it comes again. */
const youngMs = 60_000
const soonestMs = 2_000

/**
 * In how many ms a part is to be looked at again, because a status of it is younger than a minute and matches nothing yet; null when it is
 * not. Each wait is as long as it has waited.
 */
export function againInMs(
  { statuses, asOfMs }: Part,
  matchedWamids: ReadonlySet<string>,
  nowMs: number,
  scale: number,
): number | null {
  const ageMs = nowMs - asOfMs
  const leftMs = youngMs * scale - ageMs
  if (leftMs <= 0 || statuses.every(({ wamid }) => matchedWamids.has(wamid))) return null
  return Math.min(leftMs, Math.max(soonestMs * scale, ageMs))
}

/**
 * What became of a part: `no_match` when its statuses are about messages that nobody sent from here, or its messages no
 * sender that can be read; `kept` when it holds nothing that is acted upon.
 */
export function outcomeOf(
  part: Part,
  matchedWamids: ReadonlySet<string>,
): 'done' | 'no_match' | 'no_action' {
  if (part.messages.length + part.news.length > 0) return 'done'
  if (part.statuses.some(({ wamid }) => matchedWamids.has(wamid))) return 'done'
  return part.statuses.length + part.lost.senderless > 0 ? 'no_match' : 'no_action'
}

/** The elements of a part that had no effect, by why. */
export function lossesOf({ lost, statuses }: Part, matchedWamids: ReadonlySet<string>): Losses {
  return { ...lost, unmatched: statuses.filter(({ wamid }) => !matchedWamids.has(wamid)).length }
}

/** The same in words, for the part's reason; undefined when every element had its effect. */
export function noteOf(lost: Losses): string | undefined {
  const words = Object.entries(lost).flatMap(([why, count]) =>
    count > 0 ? `${count} ${losses[why as keyof Losses]}` : [],
  )
  return words.length > 0 ? `Elements without effect: ${words.join('; ')}` : undefined
}
