import type { MessageDirection, MessageSource } from '@lockstep/contracts'
import { type CallFacts, callText, mergeCallFacts } from '@lockstep/whatsapp'

interface Repeatable {
  type: string
  source: MessageSource
  direction: MessageDirection
  at: Date
  text: string
  content?: object | undefined
  call?: CallFacts
  callOpenedAt: Date | null
}

/**
 * What two elements with one id add up to: the events of a call in any order, and a file of the
 * history in place of its placeholder. Of anything else the first one stays.
 */
export function mergeRepeats<Message extends Repeatable>(known: Message, later: Message): Message {
  if (isPlaceholder(known) && later.source === 'history') return later
  if (!known.call || !later.call) return known
  const call = mergeCallFacts(known.call, later.call)
  return {
    ...known,
    at: new Date(Math.min(known.at.getTime(), later.at.getTime())),
    callOpenedAt: latest(known.callOpenedAt, later.callOpenedAt),
    call,
    content: call,
    text: callText(known.direction, call),
  }
}

/** Meta first names a file of the history without it, and sends the newest ones again with it. */
const isPlaceholder = ({ type, source }: Repeatable): boolean =>
  type === 'media_placeholder' && source === 'history'

const latest = (a: Date | null, b: Date | null): Date | null => (!a || (b && b > a) ? b : a)
