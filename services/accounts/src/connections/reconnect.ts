import type { GraphPhoneNumber } from '@lockstep/whatsapp'
import type { Connection, TokenColumns } from '../db/entities.ts'
import { keepIssuesOfWaba } from '../updates/account-update-rules.ts'
import { maxPerSecond } from './limits.ts'

type NumberDetails = Pick<
  Connection,
  'displayPhoneNumber' | 'verifiedName' | 'maxPerSecond' | 'quality' | 'messagingLimit'
>

/** What Meta says of a number when it is connected. */
export function detailsOf(number: GraphPhoneNumber): NumberDetails {
  const { displayPhoneNumber, verifiedName, throughput, quality, messagingLimit } = number
  return {
    ...{ displayPhoneNumber, verifiedName, quality, messagingLimit },
    maxPerSecond: maxPerSecond(throughput),
  }
}

/** How an ended connection is connected again; an empty name leaves the one that it has. */
export interface Reconnection
  extends Pick<Connection, 'name' | 'appId' | 'wabaId' | 'sealedToken'>,
    TokenColumns {
  details: NumberDetails
  atMs: number
}

/** Begins the next interval of a connection: its limits stay, as far as Meta still allows them. */
export function reconnect(
  connection: Connection,
  { name, details, atMs, ...binding }: Reconnection,
): void {
  const connectedAt = new Date(Math.max(atMs, connection.disconnectedAt?.getTime() ?? 0))
  keepIssuesOfWaba(connection, { wabaId: binding.wabaId, atMs: connectedAt.getTime() })
  Object.assign(connection, binding, details, { connectedAt, disconnectedAt: null })
  if (name) connection.name = name
  connection.perSecond = Math.min(connection.perSecond, connection.maxPerSecond)
  connection.perMinute = Math.min(connection.perMinute, connection.maxPerSecond * 60)
}
