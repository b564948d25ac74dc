import type { Method } from '@lockstep/rpc'
import type { ListApiKeysRequest, ListApiKeysResponse } from '@lockstep/rpc/gen/accounts'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { apiKeysPage } from '../db/api-keys.ts'
import { apiKeyToProto } from '../to-proto.ts'

/** A page of the account's keys in id order, so oldest first. */
export const listApiKeys: Method<Context, ListApiKeysRequest, ListApiKeysResponse> = async (
  ctx,
  request,
  call,
) => {
  const page = {
    after: request.after && requireId(request.after, 'API key'),
    limit: pageLimit(request.limit, 50, 200),
  }
  const rows = await ctx.db.transaction(call.accountId, (tx) => apiKeysPage(tx, page))
  return { apiKeys: rows.map(apiKeyToProto) }
}
