import { AppError } from '@lockstep/contracts'
import { feed } from '@lockstep/feeds'
import type {
  RequestPasswordResetRequest,
  RequestPasswordResetResponse,
} from '@lockstep/rpc/gen/accounts'
import { v7 as uuid } from 'uuid'
import { memberTarget } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { insertAuditEntry } from '../db/audit-entries.ts'
import { hasMail } from '../db/mails.ts'
import { personToSignIn } from '../db/people.ts'
import { requireEmail } from './emails.ts'
import { createReset } from './reset-password.ts'
import { countTry, subjectsOf } from './throttle.ts'

/** What was asked for, as it waits in the feed. */
interface RequestedReset {
  email: string
  address: string
  requestId: string
}

/**
 * Takes a request for a link. Whose e-mail it is, if anybody's, is looked up afterwards, so that
 * nobody can tell by the answer or by its time.
 */
export async function requestReset(
  ctx: Context,
  request: RequestPasswordResetRequest,
): Promise<RequestPasswordResetResponse> {
  if (!ctx.mailer)
    throw new AppError(
      'precondition',
      'This system sends no mail: ask an owner of your account for a link to another password',
    )
  const email = requireEmail(request.email)
  const { address = '', requestId = '' } = request.origin ?? {}
  await countTry(ctx, subjectsOf('reset_requests', email, address))
  const body: RequestedReset = { email, address, requestId }
  const entry = { lane: 'accounts.mail', key: uuid(), kind: 'reset', body } as const
  await ctx.db.system((tx) => feed(ctx, tx, entry))
  return {}
}

/** Makes the link, if the e-mail is somebody's, and has it mailed; again it changes nothing. */
export async function makeRequestedReset(
  ctx: Context,
  mailId: string,
  { email, address, requestId }: RequestedReset,
): Promise<void> {
  const person = await personToSignIn(ctx.db, email)
  const [accountId] = person?.accountIds ?? []
  if (!person || !accountId) return
  await ctx.db.transaction(accountId, async (tx) => {
    if (await hasMail(tx, mailId)) return
    await insertAuditEntry(tx, {
      ...memberTarget(person.id),
      at: new Date(ctx.now()),
      action: 'requestPasswordReset',
      actorKind: 'nobody',
      actorId: '',
      address,
      requestId,
      before: undefined,
      after: undefined,
      outcome: 'done',
    })
    await createReset(ctx, tx, { ...person, forSeveralAccounts: true, mailId })
  })
}
