import { randomBytes } from 'node:crypto'
import { sql } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type { CreateApiKeyRequest, CreateApiKeyResponse } from '@lockstep/rpc/gen/accounts'
import { requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { hashKey } from '../secrets/api-key.ts'

/** Creates an API key; the answer is the only time that its text is seen. */
export const createApiKey: Method<Context, CreateApiKeyRequest, CreateApiKeyResponse> = async (
  ctx,
  request,
  call,
) => {
  const name = requireText(request.name, 'name')
  const id = uuid()
  const key = `lk_${randomBytes(32).toString('base64url')}`
  await ctx.db.transaction(call.accountId, (tx) =>
    sql`insert into api_keys (id, account_id, name, hash) values (${id}, ${call.accountId}, ${name}, ${hashKey(key)})`.execute(
      tx.sql,
    ),
  )
  return { id, key }
}
