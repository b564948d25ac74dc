import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type * as proto from '@lockstep/rpc/gen/accounts'
import { chosenId, requireId } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import {
  findRole,
  insertRole,
  lockRole,
  ownRoles,
  type RoleRow,
  deleteRole as take,
  updateRole as update,
  usersOfRole,
} from '../db/roles.ts'
import { requireRoleName, requireRoleRights } from '../people/roles.ts'
import { requireHeld } from '../secrets/rights.ts'

/** In one account; each is read whenever a role is listed. */
const mostRoles = 100
/** Named when a role can't be deleted. */
const mostNamed = 5

function roleToProto({ createdAt, ...role }: RoleRow): proto.Role {
  return { ...role, createdAtMs: createdAt.getTime() }
}

const roleTarget = (id: string) => ({ targetKind: 'roles', targetId: id })
const shown = ({ name, rights }: Pick<RoleRow, 'name' | 'rights'>) => ({ name, rights })

const nameTaken = (name: string) =>
  new AppError('conflict', `There is a role "${name}"; take another name`)

export const createRole: Method<Context, proto.CreateRoleRequest, proto.Role> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const name = requireRoleName(request.name)
  const rights = requireRoleRights(request.rights)
  requireHeld(heldRights, rights)
  const row = { id: chosenId(request.id), name, rights, createdAt: new Date(ctx.now()) }
  const made = await ctx.db.transaction(call.accountId, async (tx) => {
    const before = request.id ? await findRole(tx, row.id) : undefined
    if (before) return before
    if ((await ownRoles(tx)).length >= mostRoles)
      throw new AppError('conflict', `An account has at most ${mostRoles} roles; delete one before`)
    if (!(await insertRole(tx, row))) throw nameTaken(name)
    const deed = { action: 'createRole', ...roleTarget(row.id), after: shown(row) }
    await record(ctx, tx, call, deed)
    return row
  })
  return roleToProto(made)
}

export const listRoles: Method<Context, proto.ListRolesRequest, proto.ListRolesResponse> = async (
  ctx,
  _request,
  call,
) => {
  const rows = await ctx.db.transaction(call.accountId, ownRoles)
  return { roles: rows.map(roleToProto) }
}

/** Whoever has the role may do as much as it says then; a change may take nothing that the caller hasn't. */
export const updateRole: Method<Context, proto.UpdateRoleRequest, proto.Role> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const id = requireId(request.id, 'role')
  const name = request.name === undefined ? undefined : requireRoleName(request.name)
  const rights = request.rights.length > 0 ? requireRoleRights(request.rights) : undefined
  const changed = await ctx.db.transaction(call.accountId, async (tx) => {
    const role = await lockRole(tx, id)
    const next = { ...role, name: name ?? role.name, rights: rights ?? role.rights }
    requireHeld(heldRights, [...role.rights, ...next.rights])
    if (JSON.stringify(shown(role)) === JSON.stringify(shown(next))) return role
    if (!(await update(tx, next))) throw nameTaken(next.name)
    const change = { before: shown(role), after: shown(next) }
    await record(ctx, tx, call, { action: 'updateRole', ...roleTarget(id), ...change })
    return next
  })
  return roleToProto(changed)
}

/** Its row is locked: who gives it to somebody at this moment has come before, or finds none. */
export const deleteRole: Method<Context, proto.DeleteRoleRequest, proto.Role> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const id = requireId(request.id, 'role')
  const gone = await ctx.db.transaction(call.accountId, async (tx) => {
    const role = await lockRole(tx, id)
    requireHeld(heldRights, role.rights)
    const { emails, count } = await usersOfRole(tx, id, new Date(ctx.now()), mostNamed)
    if (count > 0) throw inUse(role.name, emails, count)
    await take(tx, role)
    await record(ctx, tx, call, { action: 'deleteRole', ...roleTarget(id), before: shown(role) })
    return role
  })
  return roleToProto(gone)
}

function inUse(name: string, emails: string[], count: number): AppError {
  const more = count > emails.length ? ` and ${count - emails.length} more` : ''
  return new AppError(
    'conflict',
    `The role "${name}" is in use by ${emails.join(', ')}${more}; give them another one, or withdraw their invitations, before`,
  )
}
