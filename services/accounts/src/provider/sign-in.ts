import { randomBytes } from 'node:crypto'
import { AppError, failureOf } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type {
  BeginProviderSignInRequest,
  BeginProviderSignInResponse,
  FinishProviderSignInRequest,
  FinishProviderSignInResponse,
  FinishWithCodeRequest,
  SignedIn,
} from '@lockstep/rpc/gen/accounts'
import { counter } from '@lockstep/telemetry'
import { v7 as uuid } from 'uuid'
import { recordRefused } from '../audit/sign-ins.ts'
import type { Context } from '../context.ts'
import { openInvitations } from '../db/invitations.ts'
import { findPerson, holdPerson, type KnownPerson, personToSignIn } from '../db/people.ts'
import { joinAccount } from '../people/accept-invitation.ts'
import { lowerCase } from '../people/emails.ts'
import { refusal } from '../people/refusal.ts'
import { type AskedSession, startSession } from '../people/start-session.ts'
import { countTry, forgive, subjectsOf } from '../people/throttle.ts'
import { CodeMissing } from '../second-factor/with-code.ts'
import type { Provider } from './provider.ts'
import { openTicket, sealTicket } from './tickets.ts'

const signIns = counter(
  'lockstep_provider_sign_ins_total',
  'Answers of the OpenID provider, by what became of them',
)

function requireProvider({ provider }: Context): Provider {
  if (provider) return provider
  throw new AppError(
    'precondition',
    'People sign in with e-mail and password here: no provider is configured',
  )
}

export async function beginAtProvider(
  ctx: Context,
  { accountId }: BeginProviderSignInRequest,
): Promise<BeginProviderSignInResponse> {
  const { url, check } = await requireProvider(ctx).begin()
  return { url, ...sealTicket(ctx, 'provider', { ...check, accountId }) }
}

/** Signs in who the provider says it is; a code of a second factor is the next step. */
export async function finishAtProvider(
  ctx: Context,
  request: FinishProviderSignInRequest,
): Promise<FinishProviderSignInResponse> {
  const provider = requireProvider(ctx)
  const { accountId, ...check } = openTicket(ctx, 'provider', request.ticket)
  const subjects = subjectsOf('sign_ins', check.state, request.origin?.address ?? '')
  await countTry(ctx, subjects)
  try {
    const verified = await provider.finish(request.query, check)
    if (verified === null)
      throw new AppError('forbidden', 'The provider has not verified your e-mail; verify it there')
    const entered = await enter(ctx, provider, lowerCase(verified), accountId, request)
    await forgive(ctx, subjects)
    signIns(1, { result: entered.signedIn ? 'signed_in' : 'code' })
    return entered
  } catch (error) {
    signIns(1, { result: failureOf(error) })
    const { message: reason } = ((error as Error).cause ?? error) as Error
    ctx.log.warn({ reason }, 'Nobody was signed in by an answer of the OpenID provider')
    throw error
  }
}

async function enter(
  ctx: Context,
  { issuer }: Provider,
  email: string,
  wanted: string,
  request: FinishProviderSignInRequest,
): Promise<FinishProviderSignInResponse> {
  const person = await personToSignIn(ctx.db, email)
  const [first] = person?.accountIds ?? []
  const accountId = wanted || first
  const by = { provider: issuer }
  const asked = { code: '', origin: request.origin, previousToken: request.previousToken }
  if (!person || !first) {
    const signedIn = await enterByInvitation(ctx, email, person, { ...asked, by })
    return { signedIn, ticket: '', ticketEndsAtMs: 0 }
  }
  if (!accountId || !person.accountIds.includes(accountId)) {
    recordRefused(ctx, person, request.origin, { action: 'signInFailed', outcome: 'forbidden' })
    throw new AppError('forbidden', 'You do not belong to this account; ask an owner to invite you')
  }
  const isStill = (tx: Tx) => holdPerson(tx, person.id)
  try {
    const signedIn = await startSession(ctx, { person, accountId, isStill, by }, asked)
    return { signedIn, ticket: '', ticketEndsAtMs: 0 }
  } catch (error) {
    if (!(error instanceof CodeMissing)) throw error
    const { ticket, endsAtMs } = sealTicket(ctx, 'code', { personId: person.id, accountId })
    return { signedIn: undefined, ticket, ticketEndsAtMs: endsAtMs }
  }
}

/** The provider has verified the e-mail that was invited: its link was sent to nobody else. */
async function enterByInvitation(
  ctx: Context,
  email: string,
  known: KnownPerson | undefined,
  { by, ...asked }: AskedSession & { by: Record<string, string> },
): Promise<SignedIn> {
  const [invited, other] = await openInvitations(ctx.db, email, new Date(ctx.now()))
  if (other)
    throw new AppError(
      'precondition',
      'Several accounts have invited you: open the link of the one that you want to belong to',
    )
  if (!invited)
    throw new AppError(
      'forbidden',
      `Nobody with the e-mail "${email.slice(0, 64)}" belongs to an account; ask an owner to invite you`,
    )
  if (known) {
    const { id, name, accountIds, passwordHash } = known
    return joinAccount(
      ctx,
      invited,
      { person: { id, email, name }, accountIds, passwordHash, isNew: false, by },
      asked,
    )
  }
  // Nobody knows this password; a link gives them one of their own.
  const passwordHash = await ctx.passwords.hash(randomBytes(32).toString('base64url'))
  const person = { id: uuid(), email, name: email.split('@')[0]! }
  return joinAccount(ctx, invited, { person, accountIds: [], passwordHash, isNew: true, by }, asked)
}

export async function finishByCode(
  ctx: Context,
  { ticket, code, origin, previousToken }: FinishWithCodeRequest,
): Promise<SignedIn> {
  const { issuer } = requireProvider(ctx)
  const { personId, accountId } = openTicket(ctx, 'code', ticket)
  const found = await ctx.db.transaction(accountId, (tx) => findPerson(tx, personId))
  if (!found) throw refusal()
  const person = { ...found, accountIds: [accountId] }
  const isStill = (tx: Tx) => holdPerson(tx, personId)
  const entering = { person, accountId, isStill, by: { provider: issuer } }
  return startSession(ctx, entering, { code, origin, previousToken })
}
