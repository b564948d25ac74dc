import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  GetPersonRequest,
  GetPersonResponse,
  ListMembersRequest,
  ListMembersResponse,
  Member,
  RemoveMemberRequest,
  SetMemberRoleRequest,
} from '@lockstep/rpc/gen/accounts'
import { pageLimit, requireId } from '@lockstep/service'
import { memberTarget, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { deleteMember, giveRole, membersPage } from '../db/members.ts'
import { accountsOf, findPerson } from '../db/people.ts'
import { endSessions } from '../db/sessions.ts'
import { chooseRole } from '../people/choose-role.ts'
import { lockReplaceable } from '../people/owners.ts'
import { memberToProto } from '../people/to-proto.ts'

/** A member of the account, with all accounts of theirs. */
export const getPerson: Method<Context, GetPersonRequest, GetPersonResponse> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const id = requireId(request.id, 'member')
    const person = await findPerson(tx, id)
    if (!person) throw new AppError('not_found', `There is no member ${id}`)
    return { person, accounts: await accountsOf(tx, id) }
  })

/** A page of the account's members in the order of their ids. */
export const listMembers: Method<Context, ListMembersRequest, ListMembersResponse> = async (
  ctx,
  request,
  call,
) => {
  const page = {
    after: request.after && requireId(request.after, 'member'),
    limit: pageLimit(request.limit, 50, 200),
  }
  const rows = await ctx.db.transaction(call.accountId, (tx) => membersPage(tx, page))
  return { members: rows.map(memberToProto) }
}

/** Gives a member another role and ends their sessions; the same role again changes nothing. */
export const setMemberRole: Method<Context, SetMemberRoleRequest, Member> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const id = requireId(request.id, 'member')
  const row = await ctx.db.transaction(call.accountId, async (tx) => {
    const role = await chooseRole(tx, request.role, heldRights)
    const member = await lockReplaceable(tx, id, heldRights, role.role)
    if (member.role === role.role) return member
    await giveRole(tx, id, role)
    await endSessions(tx, id)
    const change = { before: { role: member.role }, after: { role: role.role } }
    await record(ctx, tx, call, { ...change, action: 'setMemberRole', ...memberTarget(id) })
    return { ...member, ...role }
  })
  return memberToProto(row)
}

/** Takes a person out of the account, with their sessions in it. */
export const removeMember: Method<Context, RemoveMemberRequest, Member> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const id = requireId(request.id, 'member')
  const row = await ctx.db.transaction(call.accountId, async (tx) => {
    const member = await lockReplaceable(tx, id, heldRights)
    const before = { email: member.email, role: member.role }
    await record(ctx, tx, call, { before, action: 'removeMember', ...memberTarget(id) })
    await deleteMember(tx, id)
    return member
  })
  return memberToProto(row)
}
