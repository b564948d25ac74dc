import { AppError } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { CreateApiKeyResponse, RotateApiKeyRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { expireApiKey, insertApiKey, lockApiKey } from '../db/api-keys.ts'
import { requireHeld } from '../secrets/rights.ts'
import { createToken, hashToken, prefixOf } from '../secrets/tokens.ts'
import { apiKeyToProto } from '../to-proto.ts'

const maxOverlapMs = 30 * 86_400_000

/** Creates a key with the name, rights and end of another, which stays good for a time. */
export const rotateApiKey: Method<Context, RotateApiKeyRequest, CreateApiKeyResponse> = async (
  ctx,
  request,
  call,
) => {
  const { previousValidMs } = request
  if (!(previousValidMs >= 0 && previousValidMs <= maxOverlapMs))
    throw new AppError(
      'invalid',
      `The key before stays good from 0 to ${maxOverlapMs} ms, which are 30 days; not ${previousValidMs}`,
    )
  const key = createToken('lk')
  const now = ctx.now()
  const apiKey = await ctx.db.transaction(call.accountId, async (tx) => {
    const before = await lockApiKey(tx, requireId(request.id, 'API key'))
    requireHeld(request.heldRights, before.rights)
    if (before.withdrawnAt || (before.expiresAt && before.expiresAt.getTime() <= now))
      throw new AppError('conflict', `API key ${before.id} is over; create a new one`)
    await expireApiKey(tx, before.id, new Date(now + previousValidMs))
    const { name, rights, expiresAt } = before
    const row = {
      id: uuid(),
      name,
      rights,
      prefix: prefixOf(key),
      createdAt: new Date(now),
      expiresAt,
    }
    const target = { targetKind: 'api-keys', targetId: before.id }
    const after = { new_id: row.id, previous_valid_ms: previousValidMs }
    await record(ctx, tx, call, { action: 'rotateApiKey', ...target, before: { name }, after })
    return insertApiKey(tx, row, hashToken(key))
  })
  return { apiKey: apiKeyToProto(apiKey), key }
}
