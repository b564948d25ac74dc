import type { LaneHandler } from '@lockstep/feeds'
import type { Context } from '../context.ts'
import { sendMail } from '../mail/send-mail.ts'
import { makeRequestedReset } from '../people/request-reset.ts'

/** Mails links, and makes those that were asked for without signing in. */
export const mail: LaneHandler<Context> = async (ctx, id, entries, lease) => {
  const later = []
  for (const entry of entries) {
    if (entry.kind === 'reset') {
      await makeRequestedReset(ctx, id, JSON.parse(entry.body.toString()))
      continue
    }
    const laterMs = await sendMail(ctx, { id, accountId: entry.accountId }, lease.signal)
    if (laterMs !== null) later.push({ id: entry.id, laterMs })
  }
  return later
}
