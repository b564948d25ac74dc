import { AppError, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { EndpointWithSecret, RotateEndpointSecretRequest } from '@lockstep/rpc/gen/events'
import type { Context } from '../context.ts'
import { writeEndpoint } from '../db/endpoints.ts'
import { requireEndpoint } from '../endpoints/require-endpoint.ts'
import { createSecret } from '../posting/signature.ts'
import { endpointToProto } from '../to-proto.ts'

const maxOverlapMs = 30 * 86_400_000

/** A new secret; posts are signed with the one before, too, for a time. */
export const rotateEndpointSecret: Method<
  Context,
  RotateEndpointSecretRequest,
  EndpointWithSecret
> = (ctx, { id, overlapMs }, { accountId }) => {
  if (!(overlapMs >= 0 && overlapMs <= maxOverlapMs))
    throw new AppError(
      'invalid',
      `"overlap_ms" must be from 0 to ${maxOverlapMs}, which are 30 days`,
    )
  return ctx.db.transaction(accountId, async (tx) => {
    const before = await requireEndpoint(tx, id, { lock: true })
    const secret = createSecret()
    const after = {
      ...before,
      sealedSecret: ctx.secrets.seal(secret, secretPlaces.webhookEndpoint(before.id, accountId)),
      sealedPrevious: before.sealedSecret,
      previousUntil: new Date(ctx.now() + overlapMs),
    }
    await writeEndpoint(tx, after)
    return { endpoint: endpointToProto(after), secret }
  })
}
