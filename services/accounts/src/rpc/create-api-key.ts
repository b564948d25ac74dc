import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { CreateApiKeyRequest, CreateApiKeyResponse } from '@lockstep/rpc/gen/accounts'
import { requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { insertApiKey } from '../db/api-keys.ts'
import { requireHeld, requireRights } from '../secrets/rights.ts'
import { createToken, hashToken, prefixOf } from '../secrets/tokens.ts'
import { apiKeyToProto } from '../to-proto.ts'

/** Creates an API key; the answer is the only time that its text is seen. */
export const createApiKey: Method<Context, CreateApiKeyRequest, CreateApiKeyResponse> = async (
  ctx,
  request,
  call,
) => {
  const now = ctx.now()
  const name = requireText(request.name, 'name')
  if (request.expiresAtMs !== undefined && request.expiresAtMs <= now)
    throw new AppError('invalid', '"expires_at" must be a time that has not come yet')
  const rights = requireRights(request.rights)
  requireHeld(request.heldRights, rights)
  const key = createToken('lk')
  const row = {
    id: uuid(),
    name,
    rights,
    prefix: prefixOf(key),
    createdAt: new Date(now),
    expiresAt: request.expiresAtMs === undefined ? null : new Date(request.expiresAtMs),
  }
  const inserted = await ctx.db.transaction(call.accountId, async (tx) => {
    const target = { targetKind: 'api-keys', targetId: row.id }
    await record(ctx, tx, call, { action: 'createApiKey', ...target, after: { name, rights } })
    return insertApiKey(tx, row, hashToken(key))
  })
  return { apiKey: apiKeyToProto(inserted), key }
}
