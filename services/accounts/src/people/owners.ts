import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { lockMember, lockOwners, type MemberRow } from '../db/members.ts'
import { requireHeld } from '../secrets/rights.ts'
import { rightsOf } from './roles.ts'

const ownerRole = 'owner'

/**
 * Locks a member who is to get another role, or none. Throws `conflict` for the last owner: owners who demote
 * one another wait for each other here.
 */
export async function lockReplaceable(
  tx: Tx,
  id: string,
  heldRights: readonly string[],
  role = '',
): Promise<MemberRow> {
  const owners = await lockOwners(tx)
  const member = await lockMember(tx, id)
  requireHeld(heldRights, rightsOf(member))
  if (member.role === ownerRole && role !== ownerRole && owners.length === 1)
    throw new AppError(
      'conflict',
      'This is the only owner; make another member an owner before, or nobody could give rights any more',
    )
  return member
}
