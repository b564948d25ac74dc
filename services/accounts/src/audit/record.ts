import type { Tx } from '@lockstep/database'
import type { Call } from '@lockstep/rpc'
import type { Origin } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { type AuditEntryRow, insertAuditEntry } from '../db/audit-entries.ts'

/** What was done, and to what; never a secret. */
interface Deed
  extends Pick<AuditEntryRow, 'action' | 'targetKind' | 'targetId'>,
    Partial<Pick<AuditEntryRow, 'before' | 'after' | 'outcome'>> {}

/** A person as what something was done to. */
export const memberTarget = (id: string) => ({ targetKind: 'members', targetId: id })

/** Records a deed in the transaction that does it; answers the entry's id. */
export function record(
  { now }: Pick<Context, 'now'>,
  tx: Tx,
  { actor }: Pick<Call, 'actor'>,
  { before, after, outcome = 'done', ...deed }: Deed,
): Promise<string> {
  return insertAuditEntry(tx, {
    ...deed,
    at: new Date(now()),
    actorKind: actor?.kind ?? 'operator',
    actorId: actor?.id ?? '',
    address: actor?.address ?? '',
    requestId: actor?.requestId ?? '',
    before,
    after,
    outcome,
  })
}

/** Who has just said who they are: no session is behind the call yet. */
export const actingAs = (
  { id }: { id: string },
  origin: Origin | undefined,
): Required<Pick<Call, 'actor'>> => ({
  actor: {
    kind: 'person',
    id,
    address: origin?.address ?? '',
    requestId: origin?.requestId ?? '',
  },
})
