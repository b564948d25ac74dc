import { type CallFacts, callText, joinCallFacts } from '@lockstep/whatsapp'

interface Told {
  type: string
  source: string
  direction: string
  at: Date
  text: string
  content?: object | undefined
  call?: CallFacts
  opensAt: Date | null
}

/**
 * What two elements with one id add up to: events of a call in any order, and of history the file in place of the mark that stands for
 * it. Of anything else the first one stays.
 */
export function joinTold<Message extends Told>(known: Message, later: Message): Message {
  if (isPlaceholder(known) && later.source === 'history') return later
  if (!known.call || !later.call) return known
  const call = joinCallFacts(known.call, later.call)
  const opens = [known.opensAt, later.opensAt].flatMap((time) => time?.getTime() ?? [])
  return {
    ...known,
    at: new Date(Math.min(known.at.getTime(), later.at.getTime())),
    opensAt: opens.length > 0 ? new Date(Math.max(...opens)) : null,
    call,
    content: call,
    text: callText(known.direction, call),
  }
}

/** Meta tells of a file in the history first without it, and of the newest ones again with it. */
const isPlaceholder = ({ type, source }: Told): boolean =>
  type === 'media_placeholder' && source === 'history'
