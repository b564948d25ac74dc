import { counter, histogram } from '@lockstep/telemetry'
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
  | 'queue_full'
  | 'database_away'
  | 'refused'
  | 'failed'

const requests = counter('lockstep_webhook_requests_total', 'Webhook requests by how they ended')
const elements = counter('lockstep_webhook_elements_total', 'Webhook elements that were stored, by field')
const parts = counter('lockstep_webhook_parts_total', 'Webhook parts by what became of them, and by field')
const forgedTokens = counter('lockstep_webhook_forged_tokens_total', 'Statuses with a token that looks like ours and is not')
const replayed = counter('lockstep_webhook_replayed_total', 'Webhook bodies that were split and opened again')
const claimed = counter('lockstep_webhook_claimed_total', 'Webhook parts that were opened for a connection made after their receipt')

/** Members of a group that was stored by one statement. */
export const groupSize = histogram('lockstep_webhook_group_size', 'Webhook bodies committed together', '1')
/** How long such a group took. */
export const groupSeconds = histogram('lockstep_webhook_group_seconds', 'Duration of storing a group of webhook bodies', 's')

export const countRequest = (result: RequestResult): void => requests(1, { result })

/** Counts stored bodies and what is in them. A group at a time: to count costs as much as to take an element apart. */
export function countStored(bodies: number, their: Pick<NewPart, 'field' | 'elements' | 'outcome'>[]): void {
  requests(bodies, { result: 'stored' })
  for (const [field, ofField] of Map.groupBy(their, (part) => part.field))
    elements(
      ofField.reduce((sum, part) => sum + part.elements, 0),
      { field: fieldLabel(field) },
    )
  for (const { outcome, field } of their) if (outcome !== null) countParts(outcome, field)
}

export const countParts = (outcome: string, field: string | null, n = 1): void => parts(n, { outcome, field: fieldLabel(field) })

export const countForgedToken = (): void => forgedTokens(1)

export const countReplayed = (bodies: number): void => replayed(bodies)

export const countClaimed = (n: number): void => claimed(n)

/** The fields that Meta documents (meta-cloud-api.md §2); a body may name any other, and a label's values must be few. */
const documented = new Set(
  `account_alerts account_review_update account_settings_update account_update automatic_events business_capability_update
  business_username_updates calls consumer_profile flows group_lifecycle_update group_participants_update group_settings_update
  group_status_update history message_echoes message_template_components_update message_template_quality_update
  message_template_status_update messages messaging_handovers partner_solutions payment_configuration_update
  phone_number_name_update phone_number_quality_update security smb_app_state_sync smb_message_echoes standby
  template_category_update template_correct_category_detection user_id_update user_preferences`.split(/\s+/),
)

function fieldLabel(field: string | null): string {
  if (field === null) return 'none'
  return documented.has(field) ? field : 'other'
}
