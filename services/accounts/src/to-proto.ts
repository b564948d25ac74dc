import type * as proto from '@lockstep/rpc/gen/accounts'
import { healthOf } from './account-news.ts'
import type { AccountEventRow } from './db/account-events.ts'
import type { App, Connection } from './db/entities.ts'

export function appToProto({ id, accountId, name, metaAppId }: App): proto.App {
  return { id, accountId, name, metaAppId }
}

/** Health depends on the time, for a restriction may end by itself. */
export function connectionToProto(connection: Connection, nowMs: number): proto.Connection {
  const { connectedAt, disconnectedAt, maxPerSecond: _, holds, newsAt: __, ...rest } = connection
  const { health, words } = healthOf(holds, nowMs)
  return { ...rest, health, healthWords: words, connectedAtMs: connectedAt.getTime(), disconnectedAtMs: disconnectedAt?.getTime() }
}

export function accountEventToProto({ value, occurredAt, receivedAt, ...rest }: AccountEventRow): proto.AccountEvent {
  return { ...rest, valueJson: JSON.stringify(value), occurredAtMs: occurredAt?.getTime(), receivedAtMs: receivedAt.getTime() }
}
