import type { LockName } from '@lockstep/contracts'
import { campaignPrepareRecipients } from './campaign_prepare_recipients.ts'
import { campaignSend } from './campaign_send.ts'
import { campaignStatusUpdate } from './campaign_status_update.ts'
import { contactImport } from './contact_import.ts'
import type { Scenario } from './scenario.ts'
import { templateSync } from './template_sync.ts'
import { webhookMessage } from './webhook_message.ts'
import { webhookProcess } from './webhook_process.ts'
import { webhookStatus } from './webhook_status.ts'

/** One scenario for each lock whose operation exists. */
export const scenarios: readonly Scenario[] = [
  templateSync,
  contactImport,
  campaignPrepareRecipients,
  webhookProcess,
  webhookMessage,
  webhookStatus,
  campaignSend,
  campaignStatusUpdate,
]

/** Locks of the table whose operation is not there yet, with the operation's name. */
export const missing: Partial<Record<LockName, string>> = {
  contact_export: 'export the contacts of an account',
  segment_recalculate: 'recalculate all segments of an account',
  contact_merge: 'merge two contacts',
  segment_calculate: 'calculate one segment',
}
