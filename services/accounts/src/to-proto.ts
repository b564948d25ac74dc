import type { Tx } from '@lockstep/database'
import type * as proto from '@lockstep/rpc/gen/accounts'
import { callbackUrlOf } from './connections/callback-url.ts'
import { healthNow, restrictionsSummary } from './connections/health.ts'
import { forbids } from './connections/restrictions.ts'
import { tokenState } from './connections/token-health.ts'
import { warningsOf } from './connections/warnings.ts'
import type { Context } from './context.ts'
import type { AccountEventRow } from './db/account-events.ts'
import type { ApiKeyRow } from './db/api-keys.ts'
import type { AppFields, ConnectionFields } from './db/entities.ts'
import { activeRestrictions, type RestrictionRow } from './db/restrictions.ts'

export function apiKeyToProto(row: ApiKeyRow): proto.ApiKey {
  const { id, name, rights, prefix, createdAt, expiresAt, withdrawnAt, lastUsedAt } = row
  return {
    id,
    name,
    rights,
    prefix,
    createdAtMs: createdAt.getTime(),
    expiresAtMs: expiresAt?.getTime(),
    withdrawnAtMs: withdrawnAt?.getTime(),
    lastUsedAtMs: lastUsedAt?.getTime(),
  }
}

export function appToProto(
  { config, now }: Pick<Context, 'config' | 'now'>,
  app: AppFields,
): proto.App {
  const { id, accountId, name, metaAppId, createdAt, previousSecretUntil } = app
  const untilMs = previousSecretUntil?.getTime() ?? 0
  return {
    ...{ id, accountId, name, metaAppId },
    createdAtMs: createdAt.getTime(),
    previousSecretUntilMs: untilMs > now() ? untilMs : undefined,
    callbackUrl: callbackUrlOf(config, id) ?? '',
    webhookVerifiedAtMs: app.webhookVerifiedAt?.getTime(),
  }
}

/** With the health that they have now: a restriction may end by itself. */
export async function connectionsToProto(
  tx: Tx,
  connections: ConnectionFields[],
  nowMs: number,
): Promise<proto.Connection[]> {
  const restrictions = await activeRestrictions(tx, connections, new Date(nowMs))
  return connections.map((connection) =>
    toProto(connection, restrictions.get(connection.id) ?? [], nowMs),
  )
}

export async function connectionToProto(
  tx: Tx,
  connection: ConnectionFields,
  nowMs: number,
): Promise<proto.Connection> {
  return (await connectionsToProto(tx, [connection], nowMs))[0]!
}

function toProto(
  connection: ConnectionFields,
  restrictions: RestrictionRow[],
  nowMs: number,
): proto.Connection {
  const {
    id,
    accountId,
    name,
    phoneNumberId,
    wabaId,
    appId,
    displayPhoneNumber,
    verifiedName,
    sealedToken,
  } = connection
  const { perMinute, perSecond, quality, messagingLimit, connectedAt, disconnectedAt } = connection
  const { health, reason: healthReason } = healthNow(connection, restrictions, nowMs)
  return {
    ...{
      id,
      accountId,
      name,
      phoneNumberId,
      wabaId,
      appId,
      displayPhoneNumber,
      verifiedName,
      sealedToken,
    },
    ...{ perMinute, perSecond, quality, messagingLimit, health, healthReason },
    connectedAtMs: connectedAt.getTime(),
    disconnectedAtMs: disconnectedAt?.getTime(),
    restrictions: restrictions.map(restrictionToProto),
    tokenExpiresAtMs: connection.tokenExpiresAt?.getTime(),
    dataAccessExpiresAtMs: connection.dataAccessExpiresAt?.getTime(),
    tokenCheckedAtMs: connection.tokenCheckedAt?.getTime(),
    tokenHealth: tokenState(connection, nowMs).health,
    warnings: warningsOf(connection, nowMs),
    sealedAppSecret: Buffer.alloc(0),
  }
}

function restrictionToProto(row: RestrictionRow): proto.Restriction {
  const { type, remediation, endsAt, notedAt } = row
  return {
    type,
    forbids: forbids(type) ?? '',
    summary: restrictionsSummary([row]),
    remediation,
    endsAtMs: endsAt?.getTime(),
    notedAtMs: notedAt.getTime(),
  }
}

export function accountEventToProto({
  value,
  occurredAt,
  receivedAt,
  ...rest
}: AccountEventRow): proto.AccountEvent {
  return {
    ...rest,
    valueJson: JSON.stringify(value),
    occurredAtMs: occurredAt?.getTime(),
    receivedAtMs: receivedAt.getTime(),
  }
}
