import type { Origin } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { insertAuditEntry } from '../db/audit-entries.ts'
import type { KnownPerson } from '../db/people.ts'

/**
 * Records a try of somebody in all accounts of the person whose name they gave. Nobody waits for it,
 * so that a known name takes as long as an unknown one.
 */
export function recordRefusedSignIn(
  ctx: Context,
  { id, accountIds }: KnownPerson,
  origin: Origin | undefined,
  deed: { action: 'signInFailed' | 'signInLocked'; outcome: string },
): void {
  const entry = {
    ...deed,
    at: new Date(ctx.now()),
    actorKind: 'nobody' as const,
    actorId: '',
    address: origin?.address ?? '',
    requestId: origin?.requestId ?? '',
    targetKind: 'members',
    targetId: id,
    before: undefined,
    after: undefined,
  }
  for (const accountId of accountIds)
    ctx.db
      .transaction(accountId, (tx) => insertAuditEntry(tx, entry))
      .catch((err) => ctx.log.warn({ err, accountId }, 'A refused sign-in could not be recorded'))
}
