import { counter, histogram } from '@lockstep/telemetry'
import { fieldLabel } from './fields.ts'
import type { NewPart } from './parts.ts'

/** How a webhook request ended; only `stored` was answered 200. */
export type RequestResult =
  | 'stored'
  | 'signature_missing'
  | 'signature_malformed'
  | 'signature_wrong'
  | 'unknown_app'
  | 'apps_unknown'
  | 'too_large'
  | 'cut_off'
  | 'too_slow'
  | 'queue_full'
  | 'unread_full'
  | 'database_away'
  | 'refused'
  | 'failed'

const requests = counter('lockstep_webhook_requests_total', 'Webhook requests by how they ended')
const elements = counter(
  'lockstep_webhook_elements_total',
  'Webhook elements that were stored, by field',
)
const parts = counter(
  'lockstep_webhook_parts_total',
  'Webhook parts by what became of them, and by field',
)
const forgedTokens = counter(
  'lockstep_webhook_forged_tokens_total',
  'Statuses with a token that looks like ours and is not',
)
const replayed = counter(
  'lockstep_webhook_replayed_total',
  'Webhook bodies that were split and opened again',
)
const claimed = counter(
  'lockstep_webhook_claimed_total',
  'Webhook parts that were opened for a connection made after their receipt',
)

/** Members of a group that was stored by one statement. */
export const groupSize = histogram(
  'lockstep_webhook_group_size',
  'Webhook bodies committed together',
  '1',
)
/** How long such a group took. */
export const groupSeconds = histogram(
  'lockstep_webhook_group_seconds',
  'Duration of storing a group of webhook bodies',
  's',
)

export const countRequest = (result: RequestResult): void => requests(1, { result })

/** Counts stored bodies and what is in them. A group at a time: to count costs as much as to take an element apart. */
export function countStored(
  bodies: number,
  their: Pick<NewPart, 'field' | 'elements' | 'outcome'>[],
): void {
  requests(bodies, { result: 'stored' })
  for (const [field, ofField] of Map.groupBy(their, (part) => part.field))
    elements(
      ofField.reduce((sum, part) => sum + part.elements, 0),
      { field: fieldLabel(field) },
    )
  for (const { outcome, field } of their) if (outcome !== null) countParts(outcome, field)
}

export const countParts = (outcome: string, field: string | null, n = 1): void =>
  parts(n, { outcome, field: fieldLabel(field) })

export const countForgedToken = (): void => forgedTokens(1)

export const countReplayed = (bodies: number): void => replayed(bodies)

export const countClaimed = (n: number): void => claimed(n)

const dayFailures = counter(
  'lockstep_webhook_day_failures_total',
  'Runs of the job that makes and drops the days of bodies that failed, by step',
)

/** Any of them is worth an alert: without its day a body finds no partition, and days that don't go fill the disk. */
export const countDayFailure = (step: string): void => dayFailures(1, { step })
