import type * as proto from '@lockstep/rpc/gen/accounts'
import type { App, Connection } from './db/entities.ts'

export function appToProto({ id, accountId, name, metaAppId }: App): proto.App {
  return { id, accountId, name, metaAppId }
}

export function connectionToProto(connection: Connection): proto.Connection {
  const { connectedAt, disconnectedAt, maxPerSecond: _, ...rest } = connection
  return { ...rest, connectedAtMs: connectedAt.getTime(), disconnectedAtMs: disconnectedAt?.getTime() }
}
