import type { Database } from '@lockstep/database'
import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { updateConversations } from '../db/conversations.ts'
import { deleteMessages, oldMessages } from '../db/old-messages.ts'
import { isUnread } from '../inbound/message-types.ts'

/** Messages in one transaction. */
const pageLength = 500

/** Deletes messages that are older than they are kept; their conversations stay. */
export function forgetMessages(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'messages',
    days: ctx.config.messageRetentionDays,
    forgetPage: (before) => forgetMessagePage(ctx.db, before, pageLength),
  })
}

/**
 * Deletes those of the `limit` oldest messages that were received before a time, and updates their
 * conversations.
 */
export async function forgetMessagePage(
  db: Database,
  before: Date,
  limit: number,
): Promise<{ rows: number; more: boolean }> {
  const old = await oldMessages(db, before, limit)
  if (old.length === 0) return { rows: 0, more: false }
  const accountIds = [...new Set(old.map((message) => message.accountId))]
  const rows = await db.transaction(accountIds, async (tx) => {
    const deleted = await deleteMessages(tx, old)
    const byConversation = Map.groupBy(deleted, (message) => message.conversationId)
    const changes = [...byConversation].map(([conversationId, messages]) => {
      const unreadChange = -messages.filter(isUnread).length
      return { conversationId, unreadChange, windowUntil: null }
    })
    await updateConversations(tx, changes)
    return deleted.length
  })
  return { rows, more: rows > 0 }
}
