import type { GraphPhoneNumber } from '@lockstep/whatsapp'
import { keepHolds } from './account-news.ts'
import { maxPerSecond } from './connection.ts'
import type { Connection } from './db/entities.ts'

type Facts = Pick<
  Connection,
  'displayPhoneNumber' | 'verifiedName' | 'maxPerSecond' | 'quality' | 'messagingLimit'
>

/** What Meta says of a number when it is connected. */
export function factsOf({
  displayPhoneNumber,
  verifiedName,
  throughput,
  quality,
  messagingLimit,
}: GraphPhoneNumber): Facts {
  return {
    displayPhoneNumber,
    verifiedName,
    maxPerSecond: maxPerSecond(throughput),
    quality,
    messagingLimit,
  }
}

/** How an ended connection is connected again; an empty name leaves the one that it has. */
export interface Again extends Pick<Connection, 'name' | 'appId' | 'wabaId' | 'sealedToken'> {
  facts: Facts
  atMs: number
}

/** Begins the next interval of a connection: its limits stay, as far as Meta still allows them. */
export function connectAgain(connection: Connection, { name, facts, atMs, ...now }: Again): void {
  const connectedAt = new Date(Math.max(atMs, connection.disconnectedAt?.getTime() ?? 0))
  keepHolds(connection, { wabaId: now.wabaId, atMs: connectedAt.getTime() })
  Object.assign(connection, now, facts, { connectedAt, disconnectedAt: null })
  if (name) connection.name = name
  connection.perSecond = Math.min(connection.perSecond, connection.maxPerSecond)
  connection.perMinute = Math.min(connection.perMinute, connection.maxPerSecond * 60)
}
