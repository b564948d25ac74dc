import type { Method } from '@lockstep/rpc'
import type { CreateInvitationRequest, CreateInvitationResponse } from '@lockstep/rpc/gen/accounts'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { insertInvitation } from '../db/invitations.ts'
import { requireEmail } from '../people/emails.ts'
import { requireRole } from '../people/roles.ts'
import { invitationToProto } from '../people/to-proto.ts'
import { createToken, hashToken } from '../people/tokens.ts'
import { requireHeld } from '../secrets/rights.ts'

/** Invites somebody; the answer is the only time that the token is seen. */
export const createInvitation: Method<
  Context,
  CreateInvitationRequest,
  CreateInvitationResponse
> = async (ctx, request, call) => {
  requireHeld(request.heldRights, requireRole(request.role))
  const mayNameNobody = call.caller !== 'api'
  const email = mayNameNobody && !request.email ? '' : requireEmail(request.email)
  const now = ctx.now()
  const token = createToken('li')
  const row = {
    id: uuid(),
    email,
    role: request.role,
    createdAt: new Date(now),
    expiresAt: new Date(now + ctx.times.invitationMs),
  }
  const inserted = await ctx.db.transaction(call.accountId, (tx) =>
    insertInvitation(tx, row, hashToken(token)),
  )
  return { invitation: invitationToProto(inserted), token }
}
