import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { AuthenticateKeyRequest, AuthenticateKeyResponse } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { useApiKey } from '../db/api-keys.ts'
import { hashToken } from '../secrets/tokens.ts'

/** The account behind an API key that is in use, and what it may do. */
export const authenticateKey: Method<
  Context,
  AuthenticateKeyRequest,
  AuthenticateKeyResponse
> = async (ctx, request) => {
  const at = new Date(ctx.now())
  const found = await ctx.db.system((tx) => useApiKey(tx, hashToken(request.key), at))
  if (!found)
    throw new AppError(
      'unauthenticated',
      'This API key is unknown, withdrawn or over; send a key that is in use as "Authorization: Bearer lk_…"',
    )
  return found
}
