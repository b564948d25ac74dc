import { AppError, secretPlaces } from '@lockstep/contracts'
import type { Method } from '@lockstep/rpc'
import type { ResealSecretsRequest, ResealSecretsResponse } from '@lockstep/rpc/gen/events'
import { keyIdOf, type Secrets } from '@lockstep/service'
import type { Context } from '../context.ts'
import { lockSealed, type SealedEndpoint, sealedPage, updateSealed } from '../db/sealed.ts'

const endpointsAtOnce = 200
const start = '00000000-0000-0000-0000-000000000000'
const placePattern = /^webhook_endpoints:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

const placeOf = (id: string): string => `webhook_endpoints:${id}`

/** Seals what isn't sealed with the newest key again, a page of endpoints a call. */
export const resealSecrets: Method<Context, ResealSecretsRequest, ResealSecretsResponse> = async (
  ctx,
  { after },
) => {
  const { keyId } = ctx.secrets
  const page = await sealedPage(ctx.db, after ? idIn(after) : start, endpointsAtOnce)
  if (page.length === 0) return { next: '', resealed: 0, unreadable: [], keyId }
  const ids = page.map(({ id }) => id)
  const accountIds = [...new Set(page.map(({ accountId }) => accountId))]
  const unreadable: string[] = []
  const resealed = await ctx.db.transaction(accountIds, async (tx) => {
    unreadable.length = 0
    const rows = await lockSealed(tx, ids, keyId)
    for (const row of rows) {
      const sealed = reseal(ctx, row)
      if (sealed) await updateSealed(tx, sealed)
      else unreadable.push(placeOf(row.id))
    }
    return rows.length - unreadable.length
  })
  const next = page.length === endpointsAtOnce ? placeOf(ids.at(-1)!) : ''
  return { next, resealed, unreadable, keyId }
}

/** Throws `invalid` for what no run has answered. */
function idIn(place: string): string {
  const id = placePattern.exec(place)?.[1]
  if (id) return id
  throw new AppError('invalid', `"${place.slice(0, 64)}" is no place to go on; begin without one`)
}

/** With both secrets sealed anew; null when one of them can't be opened. */
function reseal(
  { secrets, log }: Pick<Context, 'secrets' | 'log'>,
  row: SealedEndpoint,
): SealedEndpoint | null {
  try {
    const sealedSecret = resealOne(secrets, row, row.sealedSecret)
    const sealedPrevious = row.sealedPrevious && resealOne(secrets, row, row.sealedPrevious)
    return { ...row, sealedSecret, sealedPrevious }
  } catch (err) {
    log.error({ err, endpoint: row.id }, 'A secret can not be opened, and is left as it is')
    return null
  }
}

function resealOne(
  secrets: Secrets,
  { id, accountId }: Pick<SealedEndpoint, 'id' | 'accountId'>,
  sealed: Buffer,
): Buffer {
  if (keyIdOf(sealed) === secrets.keyId) return sealed
  const place = secretPlaces.webhookEndpoint(id, accountId)
  return secrets.seal(secrets.open(sealed, place), place)
}
