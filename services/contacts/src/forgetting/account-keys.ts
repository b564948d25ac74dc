import { randomBytes } from 'node:crypto'
import { secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Context } from '../context.ts'
import { ensureSealedKey, sealedKeys } from '../db/forgotten.ts'

/** The key of the transaction's account, which it gets with the first person that it forgets. */
export async function ensureAccountKey(
  { secrets }: Pick<Context, 'secrets'>,
  tx: Tx,
): Promise<string> {
  const place = secretPlaces.forgottenKey(tx.accountId!)
  const fresh = secrets.seal(randomBytes(32).toString('hex'), place)
  return secrets.open(await ensureSealedKey(tx, fresh), place)
}

/** The keys of those accounts of the transaction that have one. */
export async function accountKeys(
  { secrets }: Pick<Context, 'secrets'>,
  tx: Tx,
): Promise<Map<string, string>> {
  const rows = await sealedKeys(tx)
  return new Map(
    rows.map(({ accountId, sealedKey }) => [
      accountId,
      secrets.open(sealedKey, secretPlaces.forgottenKey(accountId)),
    ]),
  )
}
