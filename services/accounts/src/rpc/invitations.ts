import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  CreateInvitationRequest,
  CreateInvitationResponse,
  Invitation,
  ListInvitationsRequest,
  ListInvitationsResponse,
  WithdrawInvitationRequest,
} from '@lockstep/rpc/gen/accounts'
import { pageLimit, requireId } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import {
  insertInvitation,
  invitationsPage,
  lockInvitation,
  withdrawInvitation as withdraw,
} from '../db/invitations.ts'
import { orderMail } from '../mail/order-mail.ts'
import { chooseRole } from '../people/choose-role.ts'
import { requireEmail } from '../people/emails.ts'
import { rightsOf } from '../people/roles.ts'
import { invitationToProto } from '../people/to-proto.ts'
import { requireHeld } from '../secrets/rights.ts'
import { createToken, hashToken } from '../secrets/tokens.ts'

/** Invites somebody; the answer is the only time that the token is seen. */
export const createInvitation: Method<
  Context,
  CreateInvitationRequest,
  CreateInvitationResponse
> = async (ctx, request, call) => {
  const mayNameNobody = call.caller !== 'api'
  const email = mayNameNobody && !request.email ? '' : requireEmail(request.email)
  const now = ctx.now()
  const token = createToken('li')
  const row = {
    id: uuid(),
    email,
    createdAt: new Date(now),
    expiresAt: new Date(now + ctx.times.invitationMs),
  }
  const inserted = await ctx.db.transaction(call.accountId, async (tx) => {
    const target = { targetKind: 'invitations', targetId: row.id }
    const role = await chooseRole(tx, request.role, request.heldRights)
    const after = { email, role: role.role }
    await record(ctx, tx, call, { action: 'createInvitation', ...target, after })
    const inserted = await insertInvitation(tx, { ...row, ...role }, hashToken(token))
    const { id: invitationId, expiresAt } = row
    if (email) await orderMail(ctx, tx, { invitationId, recipient: email, token, expiresAt })
    return inserted
  })
  return { invitation: invitationToProto(inserted), token }
}

/** A page of the account's invitations in id order, so oldest first. */
export const listInvitations: Method<
  Context,
  ListInvitationsRequest,
  ListInvitationsResponse
> = async (ctx, request, call) => {
  const page = {
    after: request.after && requireId(request.after, 'invitation'),
    limit: pageLimit(request.limit, 50, 200),
  }
  const rows = await ctx.db.transaction(call.accountId, (tx) => invitationsPage(tx, page))
  return { invitations: rows.map(invitationToProto) }
}

/** Ends an invitation at once; ending it again changes nothing. */
export const withdrawInvitation: Method<Context, WithdrawInvitationRequest, Invitation> = async (
  ctx,
  { heldRights, ...request },
  call,
) => {
  const id = requireId(request.id, 'invitation')
  const row = await ctx.db.transaction(call.accountId, async (tx) => {
    const invitation = await lockInvitation(tx, id)
    const { role, email, acceptedAt, withdrawnAt } = invitation
    requireHeld(heldRights, rightsOf(invitation))
    if (acceptedAt)
      throw new AppError('conflict', `Invitation ${id} was accepted; take the member out instead`)
    const target = { targetKind: 'invitations', targetId: id }
    const before = { email, role }
    if (!withdrawnAt)
      await record(ctx, tx, call, { action: 'withdrawInvitation', ...target, before })
    return withdraw(tx, id, new Date(ctx.now()))
  })
  return invitationToProto(row)
}
