import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import type { Context } from '../context.ts'

type ContactChange = 'created' | 'updated' | 'archived' | 'forgotten' | 'consent'

/** Tells those who follow the account what became of a contact, and nothing of who it is. */
export function announceContact(
  ctx: Context,
  tx: Tx,
  id: string,
  change: ContactChange,
): Promise<void> {
  return announce(ctx, tx, { kind: 'contact.changed', subjectId: id, body: { change } })
}
