import type { Method } from '@lockstep/rpc'
import type { ListAppSecretsRequest, ListAppSecretsResponse } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { allAppSecrets } from '../db/queries.ts'

/** Every app's secrets as they are stored, sealed; the gateway holds the key. */
export const listAppSecrets: Method<Context, ListAppSecretsRequest, ListAppSecretsResponse> = async (ctx) => {
  const rows = await ctx.db.system(allAppSecrets)
  return { apps: rows.map((row) => ({ ...row, sealedPreviousSecret: row.sealedPreviousSecret ?? Buffer.alloc(0) })) }
}
