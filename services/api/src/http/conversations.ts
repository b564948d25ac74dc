import { z } from 'zod'
import { id, idParams, page, serial, wholeText } from '../input.ts'
import { metaJson, nextCursor, textOrNull, textWhen, time } from '../response.ts'
import { route } from '../route.ts'

const conversation = z
  .object({
    id: z.string(),
    connection_id: z.string(),
    contact_id: textOrNull,
    group_id: textOrNull,
    unread: z.number(),
    last_text: z.string(),
    last_message_at: time,
    window_until: time,
  })
  .meta({ id: 'Conversation' })

const media = z
  .object({
    id: z.string(),
    mime_type: z.string(),
    sha256: z.string(),
    caption: z.string(),
    filename: z.string(),
    voice: z.boolean(),
    animated: z.boolean(),
  })
  .meta({ id: 'Media' })

const message = z
  .object({
    id: z.string(),
    wamid: z.string(),
    direction: z.string(),
    source: z.string(),
    type: z.string(),
    text: z.string(),
    at: time,
    contact_id: textOrNull,
    group_id: textOrNull,
    context_wamid: z.string(),
    target_wamid: textOrNull,
    edited_at: time,
    original_text: textWhen(({ editedAtMs }) => editedAtMs !== undefined),
    revoked_at: time,
    media: media.nullable(),
    content: metaJson,
    reactions: z.array(z.object({ emoji: z.string(), at: time, contact_id: textOrNull })),
    forwarded: z.boolean(),
    frequently_forwarded: z.boolean(),
    referral: metaJson,
    referred_product: metaJson,
  })
  .meta({ id: 'Message' })

export const listConversations = route({
  method: 'GET',
  path: '/v1/conversations',
  right: 'conversations.read',
  summary:
    'Lists the conversations, the one with the newest message first; ?cursor= is the next_cursor of the page before.',
  query: z.strictObject(page(id, 200)),
  response: z.object({ conversations: z.array(conversation), next_cursor: z.string().nullable() }),
  run: async (ctx, { query: { cursor = '', limit } }, call) => {
    const { conversations } = await ctx.peers.conversations.listConversations(
      { after: cursor, limit },
      call,
    )
    return { conversations, nextCursor: nextCursor(conversations, limit, (row) => row.id) }
  },
})

export const listMessages = route({
  method: 'GET',
  path: '/v1/conversations/:id/messages',
  right: 'conversations.read',
  summary:
    'Lists the messages of a conversation, newest first, as edited; a deleted one has revoked_at. ?cursor= is the next_cursor of the page before.',
  params: idParams,
  query: z.strictObject(page(serial, 200)),
  response: z.object({ messages: z.array(message), next_cursor: z.string().nullable() }),
  errors: ['not_found'],
  run: async (ctx, { params: { id }, query: { cursor = '', limit } }, call) => {
    const { messages, nextAfter } = await ctx.peers.conversations.listMessages(
      { conversationId: id, after: cursor, limit },
      call,
    )
    return { messages, nextCursor: nextAfter || null }
  },
})

/** The last moment that ISO 8601 and JavaScript know. */
const lastMs = 8_640_000_000_000_000

export const countInbound = route({
  method: 'GET',
  path: '/v1/inbound-count',
  right: 'conversations.read',
  summary:
    'Counts the messages that people sent to a number (?connection_id=) at or after a time (?since_ms=).',
  query: z.strictObject({ connection_id: id, since_ms: wholeText(0, lastMs).default(0) }),
  response: z.object({ messages: z.number() }),
  errors: ['not_found'],
  run: async (ctx, { query: { connection_id, since_ms } }, call) => {
    // Another account's number has no messages here, but that would look like silence.
    const { id: connectionId } = await ctx.peers.accounts.getConnection({ id: connection_id }, call)
    return ctx.peers.conversations.countInbound({ connectionId, sinceMs: since_ms }, call)
  },
})
