import type { PartOutcome } from '@lockstep/contracts'
import { counter, histogram } from '@lockstep/telemetry'
import { fieldLabel } from './parts/documented-fields.ts'
import type { NewPart } from './parts/split-body.ts'

/** How a webhook request ended; only `stored` was answered 200. */
export type RequestResult =
  | 'stored'
  | 'signature_missing'
  | 'signature_malformed'
  | 'signature_wrong'
  | 'unknown_app'
  | 'app_unavailable'
  | 'too_large'
  | 'cut_off'
  | 'too_slow'
  | 'queue_full'
  | 'account_queue_full'
  | 'database_away'
  | 'database_refused'
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
  'Statuses with a token in our form and a wrong tag',
)
const replayed = counter(
  'lockstep_webhook_replayed_total',
  'Webhook bodies that were split and opened again',
)
const adopted = counter(
  'lockstep_webhook_adopted_total',
  'Webhook parts that were opened for a connection made after their receipt',
)

export const groupSize = histogram(
  'lockstep_webhook_group_size',
  'Webhook bodies committed together',
  '1',
)
export const groupSeconds = histogram(
  'lockstep_webhook_group_seconds',
  'Duration of storing a group of webhook bodies',
  's',
)

export const countRequest = (result: RequestResult): void => requests(1, { result })

/**
 * Counts stored bodies and what is in them, a group at a time: counting one costs as much as
 * splitting it.
 */
export function countStored(
  bodies: number,
  stored: Pick<NewPart, 'field' | 'elements' | 'outcome'>[],
): void {
  requests(bodies, { result: 'stored' })
  for (const [field, ofField] of Map.groupBy(stored, (part) => part.field))
    elements(
      ofField.reduce((sum, part) => sum + part.elements, 0),
      { field: fieldLabel(field) },
    )
  for (const { outcome, field } of stored) if (outcome !== null) countParts(outcome, field)
}

export const countParts = (outcome: PartOutcome, field: string | null, n = 1): void =>
  parts(n, { outcome, field: fieldLabel(field) })

export const countForgedToken = (): void => forgedTokens(1)

export const countReplayed = (bodies: number): void => replayed(bodies)

export const countAdopted = (n: number): void => adopted(n)

const dayTableFailures = counter(
  'lockstep_webhook_day_table_failures_total',
  'Failed steps of the job that creates and drops the day tables, by step',
)

/**
 * Any of them is worth an alert: a day without its table receives no body, and one that stays
 * fills the disk.
 */
export const countDayTableFailure = (step: string): void => dayTableFailures(1, { step })
