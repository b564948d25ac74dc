import type { Tx } from '@lockstep/database'
import { type AnnouncedEvent, announce } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import type { NewMessage } from '../db/messages.ts'

/** An event of more messages would be long; a busy number has several a set. */
const maxMessages = 100

type Received = Pick<
  NewMessage,
  'accountId' | 'connectionId' | 'conversationId' | 'direction' | 'source'
> & { id: string }

/** Tells those who follow an account which messages people have written to its numbers. */
export async function announceReceived(
  ctx: Context,
  tx: Tx,
  messages: readonly Received[],
): Promise<void> {
  const received = messages.filter((row) => row.direction === 'in' && row.source !== 'history')
  const byNumber = Map.groupBy(received, ({ connectionId }) => connectionId)
  const events = [...byNumber].flatMap(([connectionId, own]) => eventsOf(connectionId, own))
  if (events.length > 0) await announce(ctx, tx, ...events)
}

function eventsOf(connectionId: string, messages: Received[]): AnnouncedEvent[] {
  const events: AnnouncedEvent[] = []
  for (let at = 0; at < messages.length; at += maxMessages) {
    const listed = messages.slice(at, at + maxMessages)
    events.push({
      kind: 'message.received',
      subjectId: connectionId,
      body: {
        messages: listed.map(({ id, conversationId }) => ({ id, conversation_id: conversationId })),
      },
      accountId: messages[0]!.accountId,
    })
  }
  return events
}
