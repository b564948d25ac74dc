import type { Origin } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { insertAuditEntry } from '../db/audit-entries.ts'
import type { KnownPerson } from '../db/people.ts'

/** A person, and the accounts in whose logs it is recorded. */
export type InAccounts = Pick<KnownPerson, 'id' | 'accountIds'>

type RefusedTry = 'signInFailed' | 'signInLocked' | 'codeRefused' | 'codesLocked'

/**
 * Records a try of somebody in all accounts of the person whose name they gave. Nobody waits for it,
 * so that a known name takes as long as an unknown one.
 */
export function recordRefused(
  ctx: Context,
  { id, accountIds }: InAccounts,
  origin: Origin | undefined,
  deed: { action: RefusedTry; outcome: string },
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
