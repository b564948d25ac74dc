import type { Method } from '@lockstep/rpc'
import type { ResealSecretsRequest, ResealSecretsResponse } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'
import { cursorFrom, cursorToText, resealPage } from '../secrets/reseal.ts'

const rowsAtOnce = 200

/** Seals what isn't sealed with the newest key again, a page of rows a call. */
export const resealSecrets: Method<Context, ResealSecretsRequest, ResealSecretsResponse> = async (
  ctx,
  { after },
) => {
  const { next, resealed, unreadable } = await resealPage(ctx, cursorFrom(after), rowsAtOnce)
  if (resealed > 0)
    ctx.log.info(
      { after, resealed, keyId: ctx.secrets.keyId },
      'secrets were sealed with the newest key',
    )
  return { next: next ? cursorToText(next) : '', resealed, unreadable, keyId: ctx.secrets.keyId }
}
