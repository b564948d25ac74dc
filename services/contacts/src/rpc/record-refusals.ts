import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type {
  PersonRefusal,
  RecordRefusalsRequest,
  RecordRefusalsResponse,
} from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { refusalErrors, type Statement } from '../consent.ts'
import type { Context } from '../context.ts'
import { keyOf, type OwnIdentity, ownersOf } from '../db/identities.ts'
import { deriveFlags, recordStatements } from '../db/ledger.ts'
import { lockContacts } from '../db/locking.ts'
import { liveContacts } from '../db/queries.ts'
import { metaIdentities } from '../identity.ts'
import { isId } from '../page.ts'

const maxRefusals = 5_000

/** Writes down what Meta said with messages about their recipients; the next check refuses them. */
export const recordRefusals: Method<
  Context,
  RecordRefusalsRequest,
  RecordRefusalsResponse
> = async (ctx, { refusals }) => {
  if (refusals.length === 0) return {}
  if (refusals.length > maxRefusals)
    throw new AppError(
      'invalid',
      `${refusals.length} refusals at once; at most ${maxRefusals} are allowed`,
    )
  for (const { code } of refusals)
    if (!refusalErrors[code])
      throw new AppError('invalid', `Error ${code} says nothing of a recipient`)
  const accountIds = [...new Set(refusals.map(({ accountId }) => requireId(accountId, 'account')))]
  await ctx.db.transaction(accountIds, (tx) => apply(tx, refusals))
  return {}
}

async function apply(tx: Tx, refusals: PersonRefusal[]): Promise<void> {
  const contactIds = await whomOf(tx, refusals)
  const statements = refusals.flatMap(({ code, atMs }, at) =>
    contactIds[at]!.map(
      (contactId): Statement => ({
        contactId,
        ...refusalErrors[code]!,
        evidence: '',
        saidAt: new Date(atMs),
      }),
    ),
  )
  const ids = statements.map(({ contactId }) => contactId)
  await lockContacts(tx, ids)
  await recordStatements(tx, statements)
  await deriveFlags(tx, ids)
}

/** The live contacts that each refusal is about. */
async function whomOf(tx: Tx, refusals: PersonRefusal[]): Promise<string[][]> {
  const live = await liveContacts(tx, refusals.map(({ contactId }) => contactId).filter(isId))
  const identities = refusals.map(identitiesOf)
  const owners = await ownersOf(tx, identities.flat())
  return refusals.map(({ accountId, contactId }, at) => {
    const named = live.get(contactId)
    const known = identities[at]!.flatMap((identity) => owners.get(keyOf(identity)) ?? [])
    return [...new Set(named?.accountId === accountId ? [named.id, ...known] : known)]
  })
}

function identitiesOf({ accountId, waId, userId }: PersonRefusal): OwnIdentity[] {
  return waId || userId
    ? metaIdentities({ waId, userId }).map((identity) => ({ ...identity, accountId }))
    : []
}
