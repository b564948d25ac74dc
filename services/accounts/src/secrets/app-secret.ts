import { secretPlaces } from '@lockstep/contracts'
import type { Secrets } from '@lockstep/service'
import type { App } from '../db/entities.ts'

/** The secret of an app, opened. */
export const appSecretOf = (
  { secrets }: { secrets: Secrets },
  { id, accountId, sealedSecret }: App,
): string => secrets.open(sealedSecret, secretPlaces.appSecret(id, accountId))
