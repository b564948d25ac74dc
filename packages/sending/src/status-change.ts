import { type MessageStatus, metaTimeMs, statusFailure } from '@lockstep/whatsapp'
import type { StatusChange } from './attempt.ts'

/** `played` is the first play of a voice message: it was read (meta-cloud-api.md §3). */
const kinds: Record<string, StatusChange['kind']> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  played: 'read',
  failed: 'failed',
}

/**
 * A status of Meta's as a change of an attempt; null for a word that says nothing about delivery.
 */
export function statusChange(
  status: Pick<MessageStatus, 'wamid' | 'status' | 'timestampMs' | 'errors'>,
  receivedAtMs: number,
): StatusChange | null {
  const kind = kinds[status.status]
  if (!kind) return null
  const failure = kind === 'failed' ? statusFailure(status.errors) : { code: null, message: '' }
  return {
    kind,
    at: new Date(metaTimeMs(status.timestampMs, receivedAtMs)),
    wamid: status.wamid,
    code: failure.code,
    reason: failure.message,
  }
}
