import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type {
  PersonRefusal,
  RecordRefusalsRequest,
  RecordRefusalsResponse,
} from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { type Consent, refusalErrors } from '../consents/consent.ts'
import type { Context } from '../context.ts'
import { deriveFlags, insertConsents } from '../db/consents.ts'
import { liveContacts, lockContacts } from '../db/contacts.ts'
import { readOwners } from '../db/identities.ts'
import { type AccountIdentity, identityKey, metaIdentities } from '../identities/identity.ts'
import { isId } from '../row-id.ts'

const maxRefusals = 5_000

/** Records what Meta said with messages about their recipients. */
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
  await ctx.db.transaction(accountIds, async (tx) => {
    const consents = await consentsOf(tx, refusals)
    const contactIds = consents.map(({ contactId }) => contactId)
    await lockContacts(tx, contactIds)
    await insertConsents(tx, consents)
    await deriveFlags(tx, contactIds)
  })
  return {}
}

/** A refusal holds for the contact that it names, and for whoever is known by its ids. */
async function consentsOf(tx: Tx, refusals: readonly PersonRefusal[]): Promise<Consent[]> {
  const live = await liveContacts(tx, refusals.map(({ contactId }) => contactId).filter(isId))
  const named = refusals.map((refusal) => ({ refusal, identities: identitiesOf(refusal) }))
  const owners = await readOwners(
    tx,
    named.flatMap(({ identities }) => identities),
  )
  return named.flatMap(({ refusal: { accountId, contactId, code, atMs }, identities }) => {
    const contact = live.get(contactId)
    const ids = identities.flatMap((identity) => owners.get(identityKey(identity)) ?? [])
    if (contact?.accountId === accountId) ids.unshift(contact.id)
    const said = { ...refusalErrors[code]!, evidence: '', saidAt: new Date(atMs) }
    return [...new Set(ids)].map((contactId) => ({ contactId, ...said }))
  })
}

function identitiesOf({ accountId, waId, userId }: PersonRefusal): AccountIdentity[] {
  return waId || userId
    ? metaIdentities({ waId, userId }).map((identity) => ({ ...identity, accountId }))
    : []
}
