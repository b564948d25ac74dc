import { secretPlaces } from '@lockstep/contracts'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import { type GraphAccess, provenAccess } from '@lockstep/whatsapp'
import type { Secrets } from './secrets.ts'

type Sealed = Pick<Connection, 'id' | 'accountId' | 'appId' | 'sealedToken' | 'sealedAppSecret'>

/** What Graph is called with for a connection that GetConnection answered. */
export function graphAccess(secrets: Secrets, connection: Sealed): GraphAccess {
  const { id, accountId, appId, sealedToken, sealedAppSecret } = connection
  const token = secrets.open(sealedToken, secretPlaces.connection(id, accountId))
  const secret = secrets.open(sealedAppSecret, secretPlaces.appSecret(appId, accountId))
  return provenAccess(token, secret)
}
