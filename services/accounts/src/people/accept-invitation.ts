import { AppError } from '@lockstep/contracts'
import type { AcceptInvitationRequest, SignedIn } from '@lockstep/rpc/gen/accounts'
import { requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { actingAs, memberTarget, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { acceptInvitation as accept, invitedAccount, withdrawOthers } from '../db/invitations.ts'
import { insertMember } from '../db/members.ts'
import { insertPerson, keepsPassword, type PersonRow, personToSignIn } from '../db/people.ts'
import { type Given, withCode } from '../second-factor/with-code.ts'
import { hashToken } from '../secrets/tokens.ts'
import { requireEmail } from './emails.ts'
import { requirePassword } from './passwords.ts'
import { refusal } from './refusal.ts'
import { beginSession } from './sessions.ts'
import { requirePerson } from './sign-in.ts'

/** A person, and the hash of their password. */
interface Accepting {
  person: PersonRow
  accountIds: string[]
  passwordHash: string
  isNew: boolean
  /** For the audit log. */
  by?: Record<string, string>
}

const notGood = () =>
  new AppError(
    'not_found',
    'This link was used before, has been withdrawn or is over; ask for a new one',
  )

/** Makes who has the link a member, and begins their session. */
export async function acceptInvitation(
  ctx: Context,
  request: AcceptInvitationRequest,
): Promise<SignedIn> {
  const hash = hashToken(request.token)
  const invited = await invitedAccount(ctx.db, hash, new Date(ctx.now()))
  if (!invited) throw notGood()
  const accepting = await whoAccepts(ctx, request, invited.email)
  return joinAccount(ctx, { ...invited, hash }, accepting, request)
}

/** Accepts an invitation, by the SHA-256 of its token; throws `not_found` when it is no more open. */
export function joinAccount(
  ctx: Context,
  { accountId, hash }: { accountId: string; hash: Buffer },
  { person, accountIds, passwordHash, isNew, by }: Accepting,
  asked: Given,
): Promise<SignedIn> {
  const at = new Date(ctx.now())
  return withCode(ctx, { ...person, accountIds }, asked, (useCode) =>
    ctx.db.transaction(accountId, async (tx) => {
      const invitation = await accept(tx, hash, at)
      if (!invitation) throw notGood()
      if (isNew && !(await insertPerson(tx, { ...person, passwordHash }, at)))
        throw new AppError('busy', 'Somebody has just signed up with this e-mail; try again')
      if (!(await insertMember(tx, person.id, invitation, at)))
        throw new AppError('conflict', `${person.email} belongs to this account already; sign in`)
      // Their row and their second factor are seen by an account that they belong to.
      if (!isNew && !(await keepsPassword(tx, person.id, passwordHash))) throw refusal()
      const used = await useCode(tx)
      await withdrawOthers(tx, person.email, at)
      const after = { email: person.email, role: invitation.role, ...by, ...used }
      const deed = { action: 'acceptInvitation', ...memberTarget(person.id), after }
      await record(ctx, tx, actingAs(person, asked.origin), deed)
      return beginSession(ctx, tx, person, asked.origin)
    }),
  )
}

/** Who is known says their password; who is new chooses one. */
async function whoAccepts(
  ctx: Context,
  { email: said, name, password, origin }: AcceptInvitationRequest,
  invited: string,
): Promise<Accepting> {
  const email = said || !invited ? requireEmail(said) : invited
  if (invited && email !== invited)
    throw new AppError('invalid', '"email" is not the one that was invited')
  if (await personToSignIn(ctx.db, email)) {
    const { id, name, ...known } = await requirePerson(ctx, { email, password, origin })
    return { ...known, person: { id, email, name }, isNew: false }
  }
  requirePassword(password, email)
  const person = { id: uuid(), email, name: requireText(name, 'name') }
  const passwordHash = await ctx.passwords.hash(password)
  return { person, accountIds: [], passwordHash, isNew: true }
}
