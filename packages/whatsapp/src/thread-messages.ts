import type { MessageDirection, MessageSource } from '@lockstep/contracts'
import { type CallFacts, callEvents } from './calls.ts'
import { pastMessages } from './history.ts'
import { type InboundMessage, inboundMessages, readInbound } from './inbound-messages.ts'
import { appEchoes, echoesIn } from './phone-app.ts'
import type { ParsedWebhook } from './webhook.ts'
import { elements } from './webhook-elements.ts'

/** A message of a thread, whoever wrote it; `from` and the ids are the person's. */
export interface ThreadMessage extends InboundMessage {
  direction: MessageDirection
  source: MessageSource
  /** Of an event of a call. */
  call?: CallFacts
  opensMs?: number | null
}

/** All messages of a body that stand in a thread, in its order by field. */
export function threadMessages(parsed: ParsedWebhook): ThreadMessage[] {
  const observed = elements(parsed, 'standby', 'messages').flatMap(
    (element) => readInbound(element) ?? [],
  )
  return [
    ...known('in', 'cloud_api', inboundMessages(parsed)),
    ...known('out', 'phone_app', appEchoes(parsed)),
    ...known('in', 'standby', observed),
    ...known('out', 'standby', echoesIn(parsed, 'standby')),
    ...callEvents(parsed).map((event) => ({ ...event, source: 'cloud_api' as const })),
    ...pastMessages(parsed).map((message) => ({ ...message, source: 'history' as const })),
  ]
}

function known(
  direction: MessageDirection,
  source: MessageSource,
  messages: InboundMessage[],
): ThreadMessage[] {
  return messages.map((message) => ({ ...message, direction, source }))
}
