import type { Tx } from '@lockstep/database'
import type { SignedIn } from '@lockstep/rpc/gen/accounts'
import { actingAs, record } from '../audit/record.ts'
import type { InAccounts } from '../audit/sign-ins.ts'
import type { Context } from '../context.ts'
import type { PersonRow } from '../db/people.ts'
import { endSessionByHash } from '../db/sessions.ts'
import { type Given, withCode } from '../second-factor/with-code.ts'
import { hashToken } from '../secrets/tokens.ts'
import { refusal } from './refusal.ts'
import { beginSession } from './sessions.ts'

/** Somebody who has said who they are. */
interface Entering {
  person: PersonRow & InAccounts
  accountId: string
  /** Whether what they said is still so; it stays so until the transaction ends. */
  isStill: (tx: Tx) => Promise<boolean>
  /** For the audit log. */
  by?: Record<string, string>
}

export interface AskedSession extends Given {
  /** One that the browser has: it ends. */
  previousToken: string
}

/** Begins a session, with the code of a second factor where the person has one; the one before ends. */
export async function startSession(
  ctx: Context,
  { person, accountId, isStill, by }: Entering,
  asked: AskedSession,
): Promise<SignedIn> {
  const signedIn = await withCode(ctx, person, asked, (useCode) =>
    ctx.db.transaction(accountId, async (tx) => {
      if (!(await isStill(tx))) throw refusal()
      const used = await useCode(tx)
      const { id, email, name } = person
      const signedIn = await beginSession(ctx, tx, { id, email, name }, asked.origin)
      const target = { targetKind: 'sessions', targetId: signedIn.session!.id }
      const after = by || used ? { ...by, ...used } : undefined
      const deed = { action: 'signIn', ...target, after }
      await record(ctx, tx, actingAs(person, asked.origin), deed)
      return signedIn
    }),
  )
  if (asked.previousToken) await endSessionByHash(ctx.db, hashToken(asked.previousToken))
  return signedIn
}
