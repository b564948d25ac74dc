import { secretPlaces } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import type { Context } from '../context.ts'
import {
  giveMailUp,
  markMailed,
  markMailFailed,
  type WaitingMail,
  waitingMail,
} from '../db/mails.ts'
import { composeMail } from './compose.ts'
import { retryAfterMs } from './schedule.ts'

const mails = counter('lockstep_mails_total', 'Attempts to mail a link, by what became of them')

interface MailKey {
  id: string
  accountId: string
}

/**
 * Tries to send a mail; answers in how many ms to try again, null when it was accepted or is given
 * up. Who dies between sends it twice, with the same Message-ID.
 */
export async function sendMail(
  ctx: Context,
  { id, accountId }: MailKey,
  signal: AbortSignal,
): Promise<number | null> {
  const mail = await ctx.db.transaction(accountId, (tx) => waitingMail(tx, id))
  if (!mail) return null
  const leftMs = mail.expiresAt.getTime() - ctx.now()
  if (!mail.isOpen || leftMs <= 0) {
    const reason = leftMs <= 0 ? 'The link ended before it could be mailed' : null
    await ctx.db.transaction(accountId, (tx) => giveMailUp(tx, id, reason), { signal })
    mails(1, { result: 'given_up' })
    return null
  }
  const error = await attempt(ctx, accountId, mail, signal)
  const at = new Date(ctx.now())
  await ctx.db.transaction(
    accountId,
    (tx) => (error ? markMailFailed(tx, id, error) : markMailed(tx, id, at)),
    { signal },
  )
  mails(1, { result: error ? 'failed' : 'mailed' })
  if (!error) {
    ctx.log.info({ mail: id, accountId }, 'A link was mailed')
    return null
  }
  ctx.log.warn({ mail: id, accountId, error }, 'A link could not be mailed, and is tried again')
  return Math.min(retryAfterMs(mail.attempts + 1, Math.random()) * ctx.scale, leftMs)
}

async function attempt(
  { mailer, secrets }: Context,
  accountId: string,
  mail: WaitingMail,
  signal: AbortSignal,
): Promise<string> {
  if (!mailer) return 'No mail server is configured any more'
  const token = secrets.open(mail.sealedToken, secretPlaces.mail(mail.id, accountId))
  return mailer.send(composeMail(mail, mailer.publicUrl, token), signal)
}
