import type * as proto from '@lockstep/rpc/gen/events'
import type { StoredEvent } from './db/events.ts'

export function eventToProto({ body, occurredAt, ...event }: StoredEvent): proto.Event {
  return { ...event, bodyJson: JSON.stringify(body), occurredAtMs: occurredAt.getTime() }
}
