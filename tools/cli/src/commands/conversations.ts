import { setTimeout as delay } from 'node:timers/promises'
import type { Client, Conversation, Message } from '@lockstep/client'
import { count, limitOption } from '../options.ts'
import { atMost, type OpenSession, type Program, type Session } from '../session.ts'

export function addConversations(program: Program, open: OpenSession): void {
  const conversations = program.command('conversations').description('Reads what people write')
  conversations
    .command('list')
    .description('Lists the conversations, the one with the newest message first')
    .addOption(limitOption())
    .action(async ({ limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listConversations(), limit), [
        ['id', (row) => row.id],
        ['contact', (row) => row.contact_id],
        ['unread', (row) => row.unread],
        ['last', (row) => row.last_text],
        ['at', (row) => row.last_message_at],
      ])
    })
  conversations
    .command('messages')
    .description('Lists the messages of a conversation, newest first')
    .argument('<id>')
    .addOption(limitOption())
    .action(async (id, { limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listMessages({ id }), limit), [
        ['at', (row) => row.at],
        ['direction', (row) => row.direction],
        ['type', (row) => row.type],
        ['text', (row) => row.text],
      ])
    })
  conversations
    .command('tail')
    .description('Shows messages as they come, until Ctrl-C')
    .option('--last <n>', 'ends after so many', count)
    .action(async ({ last }) => tail(open(), last))
}

const everyMs = 1_000
/** A conversation that is behind by more shows only its newest. */
const maxBehind = 50

/** Messages that came since it began, of the conversations that changed. */
async function tail({ api, out }: Session, last = Number.POSITIVE_INFINITY): Promise<void> {
  const seen = new Map<string, string>()
  for (const conversation of await newest(api))
    seen.set(conversation.id, await lastId(api, conversation))
  out.note('Waiting for messages …')
  for (let shown = 0; shown < last; await delay(everyMs))
    for (const conversation of await newest(api))
      for (const message of await unseen(api, conversation, seen)) {
        if (shown >= last) return
        const who = message.direction === 'in' ? '←' : '→'
        out.line(
          { conversation_id: conversation.id, ...message },
          `${message.at} ${who} ${conversation.contact_id} ${message.text || message.type}`,
        )
        shown++
      }
}

const newest = async (api: Client): Promise<readonly Conversation[]> =>
  (await api.listConversations({ limit: 100 })).conversations

const lastId = async (api: Client, { id }: Conversation): Promise<string> =>
  (await api.listMessages({ id, limit: 1 })).messages[0]?.id ?? ''

/** Oldest first; also notes them as seen. */
async function unseen(
  api: Client,
  { id }: Conversation,
  seen: Map<string, string>,
): Promise<Message[]> {
  const { messages } = await api.listMessages({ id, limit: maxBehind })
  const before = seen.get(id)
  const at = messages.findIndex((message) => message.id === before)
  seen.set(id, messages[0]?.id ?? '')
  return messages.slice(0, at === -1 ? messages.length : at).toReversed()
}
