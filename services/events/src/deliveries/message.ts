import type { DueDelivery } from '../db/deliveries.ts'
import type { Message } from '../posting/poster.ts'

/** An event as it is posted: as the public API has it, with an id that never changes. */
export function messageOf(
  accountId: string,
  { id, topic, kind, subjectId, body, occurredAt }: Omit<DueDelivery, 'attempts'>,
): Message {
  const event = { id, topic, kind, subject_id: subjectId, body, occurred_at: occurredAt }
  return { id: `${accountId}.${id}`, body: JSON.stringify(event) }
}
