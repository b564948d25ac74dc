import type { Database } from '@lockstep/database'
import { forgetOld } from '@lockstep/service'
import type { Context } from '../context.ts'
import { deleteMessages, oldMessages } from '../db/forget.ts'
import { updateConversations } from '../db/store.ts'
import { isUnread } from '../kind.ts'

/** Messages in one transaction. */
const page = 500

/** Takes messages away that were received longer ago than they are kept; conversations stay. */
export function forgetMessages(ctx: Context): Promise<void> {
  return forgetOld(ctx, {
    what: 'messages',
    days: ctx.config.messageRetentionDays,
    forgetPage: (before) => forgetMessagePage(ctx.db, before, page),
  })
}

/** Takes away those that were received before a time of the `most` messages that were stored first, and brings their conversations up to date. */
export async function forgetMessagePage(
  db: Database,
  before: Date,
  most: number,
): Promise<{ rows: number; more: boolean }> {
  const old = await oldMessages(db, before, most)
  if (old.length === 0) return { rows: 0, more: false }
  const rows = await db.transaction(
    [...new Set(old.map((message) => message.accountId))],
    async (tx) => {
      const gone = await deleteMessages(tx, old)
      const byConversation = Map.groupBy(gone, (message) => message.conversationId)
      const changes = [...byConversation].map(([conversationId, its]) => {
        return { conversationId, count: -its.filter(isUnread).length, windowUntil: null }
      })
      await updateConversations(tx, changes)
      return gone.length
    },
  )
  return { rows, more: rows > 0 }
}
