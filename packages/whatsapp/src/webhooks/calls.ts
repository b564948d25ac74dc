import { isObject, type JsonObject, textOf, timestampMsOf } from '../json.ts'
import { idsOf } from '../meta-ids.ts'
import { idsOfPerson, isOwn } from './echoes.ts'
import type { Element } from './element.ts'
import { type InboundMessage, readMessage } from './message.ts'
import type { Person } from './person.ts'

/**
 * What is known of a call: each kind of event writes keys of its own, so that any order and any
 * repeats add up to the same.
 */
export interface CallFacts {
  /** Times are ISO 8601. */
  created_at?: string
  connect_at?: string
  ringing_at?: string
  accepted_at?: string
  rejected_at?: string
  /** When it was picked up, and for how long. */
  started_at?: string
  duration_seconds?: number
  ended_at?: string
  /** Meta's word at the end, in lower case: completed, failed. */
  status?: string
}

/**
 * One event of a call as an entry of a thread; its wamid is the call's id, the same for all of its
 * events.
 */
export interface CallEvent extends InboundMessage {
  direction: 'in' | 'out'
  call: CallFacts
  /** When the person called, or picked up: that opens the window (meta-cloud-api.md §7). */
  opensMs: number | null
}

/**
 * An event of a call (Meta, calling) without its media session; `from` and the ids are the
 * person's.
 */
export function readCall(element: Element): CallEvent | undefined {
  const { item, ownNumber, people } = element
  const isOurs = isOwn(item.from, ownNumber)
  const direction =
    { BUSINESS_INITIATED: 'out' as const, USER_INITIATED: 'in' as const }[
      textOf(item.direction) ?? ''
    ] ?? (isOurs ? 'out' : 'in')
  const side = isOurs ? 'to' : isOwn(item.to, ownNumber) || direction === 'in' ? 'from' : 'to'
  const call = factsOf(item)
  const opensMs =
    direction === 'in' && call.connect_at
      ? timestampMsOf(item.timestamp)
      : timestampMsOf(item.start_time)
  return eventOf(element, people().find(idsOfPerson(item, side)), { direction, call, opensMs })
}

/** RINGING, ACCEPTED and REJECTED are told of calls that the business makes. */
export function readCallStatus(element: Element): CallEvent | undefined {
  const { recipient_id, recipient_user_id, status, timestamp } = element.item
  const person = {
    ...idsOf(recipient_id, recipient_user_id),
    parentUserId: undefined,
    isNamed: (recipient_id ?? recipient_user_id) != null,
  }
  const word = textOf(status)?.toLowerCase() ?? ''
  const call = ['ringing', 'accepted', 'rejected'].includes(word)
    ? timed(`${word as 'ringing'}_at`, timestamp)
    : {}
  const opensMs = word === 'accepted' ? timestampMsOf(timestamp) : null
  return eventOf(element, element.people().find(person), { direction: 'out', call, opensMs })
}

function factsOf(item: JsonObject): CallFacts {
  const event = textOf(item.event)
  if (event === 'call_created') return timed('created_at', item.timestamp)
  if (event === 'connect') return timed('connect_at', item.timestamp)
  if (event !== 'terminate') return {}
  const [duration, status] = [Number(textOf(item.duration)), textOf(item.status)]
  return {
    ...timed('started_at', item.start_time),
    ...timed('ended_at', item.end_time ?? item.timestamp),
    ...(duration >= 0 && { duration_seconds: duration }),
    ...(status !== undefined && { status: status.toLowerCase() }),
  }
}

function timed(key: keyof CallFacts, time: unknown): CallFacts {
  const ms = timestampMsOf(time)
  return ms === null ? {} : { [key]: new Date(ms).toISOString() }
}

function eventOf(
  element: Element,
  person: Person,
  event: Pick<CallEvent, 'direction' | 'call' | 'opensMs'>,
): CallEvent | undefined {
  const { session: _, ...item } = element.item
  const read = readMessage({ ...element, item }, person)
  if (!read) return undefined
  return {
    ...read,
    type: 'call',
    text: callText(event.direction, event.call),
    content: event.call,
    ...event,
  }
}

/** What a person reads of a call. */
export function callText(direction: string, { duration_seconds = 0, ...call }: CallFacts): string {
  if (duration_seconds > 0)
    return `[call of ${Math.floor(duration_seconds / 60)} min ${duration_seconds % 60} s]`
  if (call.rejected_at) return '[call rejected]'
  if (!call.ended_at || call.started_at || call.accepted_at) return '[call]'
  return direction === 'in' ? '[missed call]' : '[call not answered]'
}

/** What is known of a call by two of its events, or undefined for what is no object. */
export function mergeCallFacts(a: unknown, b: CallFacts): CallFacts {
  return isObject(a) ? { ...a, ...b } : b
}
