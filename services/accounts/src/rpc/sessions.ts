import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type {
  AcceptInvitationRequest,
  AuthenticateSessionRequest,
  AuthenticateSessionResponse,
  BeginProviderSignInRequest,
  BeginProviderSignInResponse,
  EndSessionsRequest,
  EndSessionsResponse,
  FinishProviderSignInRequest,
  FinishProviderSignInResponse,
  FinishWithCodeRequest,
  ListSessionsRequest,
  ListSessionsResponse,
  SignedIn,
  SignInRequest,
} from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { endSessions as end, sessionsOf, useSession } from '../db/sessions.ts'
import { acceptInvitation as accept } from '../people/accept-invitation.ts'
import { rightsOf } from '../people/roles.ts'
import { inUse } from '../people/sessions.ts'
import { signIn as begin } from '../people/sign-in.ts'
import { sessionToProto } from '../people/to-proto.ts'
import { beginAtProvider, finishAtProvider, finishByCode } from '../provider/sign-in.ts'
import { hashToken } from '../secrets/tokens.ts'

export const signIn: Method<Context, SignInRequest, SignedIn> = begin
export const acceptInvitation: Method<Context, AcceptInvitationRequest, SignedIn> = accept

export const beginProviderSignIn: Method<
  Context,
  BeginProviderSignInRequest,
  BeginProviderSignInResponse
> = beginAtProvider
export const finishProviderSignIn: Method<
  Context,
  FinishProviderSignInRequest,
  FinishProviderSignInResponse
> = finishAtProvider
export const finishWithCode: Method<Context, FinishWithCodeRequest, SignedIn> = finishByCode

/** Whose session it is, and what they may do now. */
export const authenticateSession: Method<
  Context,
  AuthenticateSessionRequest,
  AuthenticateSessionResponse
> = async (ctx, { token }) => {
  const found = await useSession(ctx.db, hashToken(token), inUse(ctx))
  if (!found) throw new AppError('unauthenticated', 'You are signed out; sign in again')
  const { role, ownRights, ...session } = found
  return { ...session, rights: rightsOf({ role, ownRights }) }
}

export const listSessions: Method<Context, ListSessionsRequest, ListSessionsResponse> = async (
  ctx,
  request,
  call,
) => {
  const personId = requireId(request.personId, 'member')
  const rows = await ctx.db.transaction(call.accountId, (tx) =>
    sessionsOf(tx, personId, inUse(ctx)),
  )
  return { sessions: rows.map(sessionToProto) }
}

/** Ends all of a person's sessions in the account, or one of them. */
export const endSessions: Method<Context, EndSessionsRequest, EndSessionsResponse> = async (
  ctx,
  request,
  call,
) => {
  const personId = requireId(request.personId, 'member')
  const id = request.id && requireId(request.id, 'session')
  const ended = await ctx.db.transaction(call.accountId, async (tx) => {
    const count = await end(tx, personId, id)
    const deed = { action: 'endSessions', targetKind: 'sessions', targetId: id }
    if (count > 0) await record(ctx, tx, call, { ...deed, after: { ended: count } })
    return count
  })
  if (id && ended === 0) throw new AppError('not_found', `There is no session ${id} of yours`)
  return { ended }
}
