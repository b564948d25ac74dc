import type * as proto from '@lockstep/rpc/gen/events'
import type { DeliveryRow } from './db/deliveries.ts'
import type { EndpointRow } from './db/endpoints.ts'
import type { StoredEvent } from './db/events.ts'

export function eventToProto({ body, occurredAt, ...event }: StoredEvent): proto.Event {
  return { ...event, bodyJson: JSON.stringify(body), occurredAtMs: occurredAt.getTime() }
}

export function endpointToProto(row: EndpointRow): proto.Endpoint {
  const { id, url, description, topics, enabled, disabledReason } = row
  return {
    ...{ id, url, description, topics, enabled, disabledReason },
    failingSinceMs: row.failingSince?.getTime(),
    previousSecretUntilMs: row.previousUntil?.getTime(),
    createdAtMs: row.createdAt.getTime(),
  }
}

export function deliveryToProto(row: DeliveryRow): proto.Delivery {
  const { nextAt, attemptedAt, createdAt, ...delivery } = row
  return {
    ...delivery,
    nextAttemptAtMs: nextAt?.getTime(),
    lastAttemptAtMs: attemptedAt?.getTime(),
    createdAtMs: createdAt.getTime(),
  }
}
