import type { Method } from '@lockstep/rpc'
import type {
  CountSecretsRequest,
  CountSecretsResponse,
  ResealSecretsRequest,
  ResealSecretsResponse,
} from '@lockstep/rpc/gen/accounts'
import { countSecrets as countSealed, resealPage } from '@lockstep/service'
import type { Context } from '../context.ts'
import { sealedTables } from '../db/sealed.ts'

/** Seals what isn't sealed with the newest key again, a page of rows a call. */
export const resealSecrets: Method<Context, ResealSecretsRequest, ResealSecretsResponse> = (
  ctx,
  { after },
) => resealPage(ctx, sealedTables, after)

/** How many stored secrets each key has sealed. */
export const countSecrets: Method<Context, CountSecretsRequest, CountSecretsResponse> = (ctx) =>
  countSealed(ctx)
