import { secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { feed } from '@lockstep/feeds'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { insertMail } from '../db/mails.ts'

interface OrderedMail {
  id?: string | undefined
  invitationId?: string
  resetHash?: Buffer
  recipient: string
  token: string
  expiresAt: Date
}

/** Has a link mailed once the transaction that makes it commits; without a mail server it is not. */
export async function orderMail(
  ctx: Context,
  tx: Tx,
  { id = uuid(), token, ...row }: OrderedMail,
): Promise<void> {
  if (!ctx.mailer) return
  const sealedToken = ctx.secrets.seal(token, secretPlaces.mail(id, tx.accountId!))
  await insertMail(tx, { ...row, id, sealedToken, createdAt: new Date(ctx.now()) })
  await feed(ctx, tx, { lane: 'accounts.mail', key: id, kind: 'send' })
}
