import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { AuthenticateKeyRequest, AuthenticateKeyResponse } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { findKey } from '../db/api-keys.ts'
import { hashKey } from '../secrets/api-key.ts'

/** The account behind an API key. */
export const authenticateKey: Method<
  Context,
  AuthenticateKeyRequest,
  AuthenticateKeyResponse
> = async (ctx, request) => {
  const found = await ctx.db.system((tx) => findKey(tx, hashKey(request.key)))
  if (!found)
    throw new AppError(
      'unauthenticated',
      'This API key is unknown; send a key that is in use as "Authorization: Bearer lk_…"',
    )
  return found
}
