import { type SendOutcome, withDetails } from '@lockstep/whatsapp'
import type { OutcomeChange } from './attempt.ts'
import type { AddressUpdate, ClaimedMessage } from './queue.ts'

/** A refused connection is tried again soon, then ever more rarely. */
const notSentDelayMs = (failures: number): number => Math.min(1_000 * 2 ** (failures - 1), 60_000)
const throttledDelayMs = 5_000

/** What an outcome of the call means for the attempt, the `failures`-th of its message. */
export function changeOf(outcome: SendOutcome, failures: number, nowMs: number): OutcomeChange {
  const at = new Date(nowMs)
  const later = (ms: number) => new Date(nowMs + ms)
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'accepted', at, wamid: outcome.wamid }
    case 'notSent':
      return {
        kind: 'not_sent',
        at,
        words: outcome.reason,
        notBefore: later(notSentDelayMs(failures)),
      }
    case 'throttled': {
      const { code, words, retryAfterMs = throttledDelayMs } = outcome
      return { kind: 'not_sent', at, code, words, notBefore: later(retryAfterMs) }
    }
    case 'stopped':
      return {
        kind: 'not_sent',
        at,
        code: outcome.code,
        words: outcome.words,
        details: outcome.details,
        isStop: true,
      }
    case 'rejected':
      return { kind: 'rejected', at, code: outcome.code, words: withDetails(outcome) }
    case 'unknown':
      return { kind: 'unknown', at, code: outcome.code ?? null, words: outcome.reason }
  }
}

/** A number that WhatsApp knows under another id, or a user id that is new: contacts should know both. */
export function identityUpdateOf(
  outcome: SendOutcome,
  sentTo: Pick<ClaimedMessage, 'phone' | 'userId'>,
): AddressUpdate | undefined {
  if (outcome.kind !== 'accepted') return undefined
  const { input, waId, userId } = outcome
  const isOther = waId !== undefined && waId !== sentTo.phone
  return isOther || (userId && userId !== sentTo.userId)
    ? { input: input?.replace(/\D/g, ''), waId, userId }
    : undefined
}
