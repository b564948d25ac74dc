import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { holdRoleNamed, ownRoles, type RoleRef } from '../db/roles.ts'
import { requireHeld } from '../secrets/rights.ts'
import { builtInRoles, isBuiltIn, rightsOf } from './roles.ts'

/**
 * A role to be given, by its name: one of the account's own keeps its rights until the transaction
 * ends. Throws `invalid` for one that there isn't, `forbidden` for one that may do more.
 */
export async function chooseRole(
  tx: Tx,
  name: string,
  heldRights: readonly string[],
): Promise<RoleRef> {
  const role = await roleNamed(tx, name)
  requireHeld(heldRights, rightsOf(role))
  return role
}

/** More would not fit into the answer of a call. */
const mostNamed = 5

async function roleNamed(tx: Tx, name: string): Promise<RoleRef> {
  if (isBuiltIn(name)) return { role: name, roleId: null, ownRights: null }
  const own = await holdRoleNamed(tx, name)
  if (own) return { role: own.name, roleId: own.id, ownRights: own.rights }
  const owns = (await ownRoles(tx)).map((role) => role.name)
  const more = owns.length > mostNamed ? ` and ${owns.length - mostNamed} more (GET /v1/roles)` : ''
  const names = [...builtInRoles, ...owns.slice(0, mostNamed)].join(', ')
  throw new AppError('invalid', `"role" is "${name.slice(0, 64)}"; there are ${names}${more}`)
}
