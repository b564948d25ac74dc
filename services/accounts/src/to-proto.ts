import type * as proto from '@lockstep/rpc/gen/accounts'
import { healthOf } from './account-news.ts'
import type { AccountEventRow } from './db/account-events.ts'
import type { App, ConnectionFields } from './db/entities.ts'

export function appToProto({ id, accountId, name, metaAppId }: App): proto.App {
  return { id, accountId, name, metaAppId }
}

/** Health depends on the time, for a restriction may end by itself. */
export function connectionToProto(connection: ConnectionFields, nowMs: number): proto.Connection {
  const { id, accountId, name, phoneNumberId, wabaId, appId, displayPhoneNumber, verifiedName, sealedToken } = connection
  const { perMinute, perSecond, quality, messagingLimit, holds, connectedAt, disconnectedAt } = connection
  const { health, words } = healthOf(holds, nowMs)
  return {
    ...{ id, accountId, name, phoneNumberId, wabaId, appId, displayPhoneNumber, verifiedName, sealedToken },
    ...{ perMinute, perSecond, quality, messagingLimit, health, healthWords: words },
    connectedAtMs: connectedAt.getTime(),
    disconnectedAtMs: disconnectedAt?.getTime(),
  }
}

export function accountEventToProto({ value, occurredAt, receivedAt, ...rest }: AccountEventRow): proto.AccountEvent {
  return { ...rest, valueJson: JSON.stringify(value), occurredAtMs: occurredAt?.getTime(), receivedAtMs: receivedAt.getTime() }
}
