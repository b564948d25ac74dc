import type { Method } from '@lockstep/rpc'
import type { ApiKey, WithdrawApiKeyRequest } from '@lockstep/rpc/gen/accounts'
import { requireId } from '@lockstep/service'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { lockApiKey, withdrawApiKey as withdraw } from '../db/api-keys.ts'
import { requireHeld } from '../secrets/rights.ts'
import { apiKeyToProto } from '../to-proto.ts'

/** Ends a key at once; ending it again changes nothing. */
export const withdrawApiKey: Method<Context, WithdrawApiKeyRequest, ApiKey> = async (
  ctx,
  request,
  call,
) => {
  const id = requireId(request.id, 'API key')
  const row = await ctx.db.transaction(call.accountId, async (tx) => {
    const { name, rights, withdrawnAt } = await lockApiKey(tx, id)
    requireHeld(request.heldRights, rights)
    const target = { targetKind: 'api-keys', targetId: id }
    const before = { name, rights }
    if (!withdrawnAt) await record(ctx, tx, call, { action: 'withdrawApiKey', ...target, before })
    return withdraw(tx, id, new Date(ctx.now()))
  })
  return apiKeyToProto(row)
}
