import { type CallFacts, readCall, readCallStatus } from './calls.ts'
import { readEcho } from './echoes.ts'
import { type Element, elementsIn } from './element.ts'
import { readChunk, readPast } from './history.ts'
import { type InboundMessage, readInbound } from './message.ts'
import {
  type AppContact,
  readAppContact,
  readPreference,
  readUserIdUpdate,
  type UserIdUpdate,
  type UserPreference,
} from './people-updates.ts'
import { type MessageStatus, readStatus } from './statuses.ts'
import { changesOf, fieldRule, type ParsedWebhook, phoneNumberIdOf } from './webhook-body.ts'

/** A message of a thread, whoever wrote it; `from` and the ids are the person's. */
export interface ThreadMessage extends InboundMessage {
  direction: 'in' | 'out'
  source: MessageSource
  /** Of an event of a call. */
  call?: CallFacts
  /** When a call opened the customer-service window; null when it didn't. */
  opensMs?: number | null
}

/**
 * How a message came to be known: by the Cloud API, from the business's phone app, from before the
 * number was connected, or while another sender answers (standby).
 */
export type MessageSource = 'cloud_api' | 'phone_app' | 'history' | 'standby'

/** What each kind of element is read as. */
interface ElementValues {
  message: ThreadMessage
  status: MessageStatus
  preference: UserPreference
  user_id_update: UserIdUpdate
  app_contact: AppContact
}
export type ElementKind = keyof ElementValues

type OfKind<Kind extends ElementKind> = Kind extends ElementKind
  ? { kind: Kind; phoneNumberId: string; value: ElementValues[Kind] }
  : never

/** An element of a number's lane; one without an id or in another shape is `unreadable`. */
export type WebhookElement = OfKind<ElementKind> | { kind: 'unreadable'; phoneNumberId: string }

/** How a list of a field is read; a chunk of history is as many elements as it has messages. */
type Reader<Kind extends ElementKind> = Kind extends ElementKind
  ? { kind: Kind; read(element: Element): (ElementValues[Kind] | undefined)[] }
  : never

const reader = <Kind extends ElementKind>(
  kind: Kind,
  read: (element: Element) => ElementValues[Kind] | undefined,
) => ({ kind, read: (element: Element) => [read(element)] }) as Reader<Kind>

const messageFrom =
  (source: MessageSource, direction: 'in' | 'out', read: typeof readInbound) =>
  (element: Element): ThreadMessage | undefined => {
    const message = read(element)
    return message && { ...message, direction, source }
  }
const callFrom = (read: typeof readCall) => (element: Element) => {
  const event = read(element)
  return event && { ...event, source: 'cloud_api' as const }
}

/** By field and list, as `fieldRule` names them. */
const readers: Readonly<Record<string, Readonly<Record<string, Reader<ElementKind>>>>> = {
  messages: {
    messages: reader('message', messageFrom('cloud_api', 'in', readInbound)),
    statuses: reader('status', readStatus),
  },
  user_preferences: { user_preferences: reader('preference', readPreference) },
  user_id_update: { user_id_update: reader('user_id_update', readUserIdUpdate) },
  smb_message_echoes: {
    message_echoes: reader('message', messageFrom('phone_app', 'out', readEcho)),
  },
  calls: {
    calls: reader('message', callFrom(readCall)),
    statuses: reader('message', callFrom(readCallStatus)),
  },
  history: {
    history: { kind: 'message', read: readChunk },
    messages: reader('message', (element) => readPast(element, {})),
  },
  smb_app_state_sync: { state_sync: reader('app_contact', readAppContact) },
  standby: {
    messages: reader('message', messageFrom('standby', 'in', readInbound)),
    message_echoes: reader('message', messageFrom('standby', 'out', readEcho)),
  },
}

/**
 * The elements of numbers' lanes in a body, in its order: of these kinds, or of all with those that
 * are unreadable.
 */
export function* webhookElements(
  parsed: ParsedWebhook,
  kinds?: readonly ElementKind[],
): Generator<WebhookElement> {
  for (const change of changesOf(parsed)) {
    const phoneNumberId = phoneNumberIdOf(change.value)
    if (change.field === null || !phoneNumberId) continue
    for (const list of fieldRule(change.field).lists) {
      const found = readers[change.field]?.[list]
      if (!found || (kinds && !kinds.includes(found.kind))) continue
      const { kind, read } = found
      for (const element of elementsIn(change, list, phoneNumberId))
        for (const value of read(element))
          if (value) yield { kind, phoneNumberId, value } as WebhookElement
          else if (!kinds) yield { kind: 'unreadable', phoneNumberId }
    }
  }
}

type Valued<Kind extends ElementKind> = WebhookElement & { value: ElementValues[Kind] }

const valuesOf =
  <Kind extends ElementKind>(kind: Kind) =>
  (parsed: ParsedWebhook): ElementValues[Kind][] =>
    [...webhookElements(parsed, [kind])].map((element) => (element as Valued<Kind>).value)

/** All messages of a body that stand in a thread. */
export const threadMessages = valuesOf('message')
export const statuses = valuesOf('status')
export const userPreferences = valuesOf('preference')
export const userIdUpdates = valuesOf('user_id_update')
export const appContacts = valuesOf('app_contact')

/** Messages that people have written to a number. */
export const inboundMessages = (parsed: ParsedWebhook): ThreadMessage[] =>
  threadMessages(parsed).filter(
    ({ source, direction, call }) => source === 'cloud_api' && direction === 'in' && !call,
  )

/** How many elements of a number's lane stand in a body, readable or not. */
export const countElements = (parsed: ParsedWebhook, phoneNumberId: string): number =>
  [...webhookElements(parsed)].filter((element) => element.phoneNumberId === phoneNumberId).length
