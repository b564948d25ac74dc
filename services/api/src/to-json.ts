import type { AccountEvent, App, Connection } from '@lockstep/rpc/gen/accounts'
import type { Campaign, Recipient } from '@lockstep/rpc/gen/campaigns'
import type { ConsentRules, Contact, ContactSettings, Import } from '@lockstep/rpc/gen/contacts'
import type { Conversation, Media, Message } from '@lockstep/rpc/gen/conversations'
import type { SyncRun, Template } from '@lockstep/rpc/gen/templates'

/** The public form of each noun, field by field: what isn't named here doesn't leave. Times are ISO 8601, absent ones null. */

const time = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString()

export const appToJson = (app: App) => ({ id: app.id, name: app.name, meta_app_id: app.metaAppId })

export const connectionToJson = (connection: Connection) => ({
  id: connection.id,
  name: connection.name,
  phone_number_id: connection.phoneNumberId,
  waba_id: connection.wabaId,
  app_id: connection.appId,
  display_phone_number: connection.displayPhoneNumber,
  verified_name: connection.verifiedName,
  per_minute: connection.perMinute,
  per_second: connection.perSecond,
  quality: connection.quality,
  health: connection.health,
  health_words: connection.healthWords,
  messaging_limit: connection.messagingLimit,
  restrictions: connection.restrictions.map(
    ({ type, forbids, words, remediation, endsAtMs, notedAtMs }) => ({
      ...{ type, forbids, words, remediation },
      ends_at: time(endsAtMs),
      noted_at: time(notedAtMs),
    }),
  ),
  connected_at: time(connection.connectedAtMs),
  disconnected_at: time(connection.disconnectedAtMs),
})

export const accountEventToJson = (event: AccountEvent) => ({
  id: event.id,
  waba_id: event.wabaId,
  field: event.field,
  event: event.event,
  words: event.words,
  value: JSON.parse(event.valueJson) as unknown,
  occurred_at: time(event.occurredAtMs),
  received_at: time(event.receivedAtMs),
})

export const consentRulesToJson = (rules: ConsentRules) => ({
  utility_after_stop: rules.utilityAfterStop,
})

export const contactSettingsToJson = (settings: ContactSettings) => ({
  default_country: settings.defaultCountry || null,
})

export const syncToJson = (run: SyncRun) => ({
  id: run.id,
  connection_id: run.connectionId,
  state: run.state,
  seen: run.seen,
  removed: run.removed,
  failure: run.failure,
  started_at: time(run.startedAtMs),
  finished_at: time(run.finishedAtMs),
})

export const templateToJson = (template: Template) => ({
  id: template.id,
  waba_id: template.wabaId,
  name: template.name,
  language: template.language,
  category: template.category,
  status: template.status,
  components: JSON.parse(template.componentsJson) as unknown,
  parameter_format: template.parameterFormat,
  quality: template.quality,
  rejected_reason: template.rejectedReason,
  status_words: template.statusWords,
  next_category: template.nextCategory,
  next_category_at: time(template.nextCategoryAtMs),
  synced_at: time(template.syncedAtMs),
})

export const importToJson = (file: Import) => ({
  id: file.id,
  file_name: file.fileName,
  default_country: file.defaultCountry || null,
  columns: file.columns.map(({ name, takenFor, note }) => ({ name, taken_for: takenFor, note })),
  state: file.state,
  total_bytes: file.totalBytes,
  done_bytes: file.doneBytes,
  rows: file.rows,
  created: file.created,
  updated: file.updated,
  duplicates: file.duplicates,
  rejected: file.rejected,
  failure: file.failure,
  created_at: time(file.createdAtMs),
  finished_at: time(file.finishedAtMs),
})

export const contactToJson = (contact: Contact) => ({
  id: contact.id,
  name: contact.name,
  profile_name: contact.profileName,
  username: contact.username,
  phone: contact.phone,
  wa_id: contact.waId,
  user_id: contact.userId,
  tags: contact.tags,
  attributes: JSON.parse(contact.attributesJson || '{}') as Record<string, string>,
  opted_out: contact.optedOut,
  blocked: contact.blocked,
  source: contact.source,
  last_inbound_at: time(contact.lastInboundAtMs),
  created_at: time(contact.createdAtMs),
})

export const campaignToJson = (campaign: Campaign) => ({
  id: campaign.id,
  name: campaign.name,
  connection_id: campaign.connectionId,
  template_id: campaign.templateId,
  filter: { tags: campaign.filter?.tags ?? [] },
  values: campaign.values,
  state: campaign.state,
  reason: campaign.reason,
  statistics: campaign.statistics,
  created_at: time(campaign.createdAtMs),
  started_at: time(campaign.startedAtMs),
  finished_at: time(campaign.finishedAtMs),
})

export const recipientToJson = (recipient: Recipient) => ({
  id: recipient.id,
  contact_id: recipient.contactId,
  phone: recipient.phone,
  state: recipient.state,
  reason: recipient.reason,
  wamid: recipient.wamid,
  attempts: recipient.attempts,
})

export const conversationToJson = (conversation: Conversation) => ({
  id: conversation.id,
  connection_id: conversation.connectionId,
  contact_id: conversation.contactId || null,
  group_id: conversation.groupId || null,
  unread: conversation.unread,
  last_text: conversation.lastText,
  last_message_at: time(conversation.lastMessageAtMs),
  window_until: time(conversation.windowUntilMs),
})

export const messageToJson = (message: Message) => ({
  id: message.id,
  wamid: message.wamid,
  direction: message.direction,
  source: message.source,
  type: message.type,
  text: message.text,
  at: time(message.atMs),
  contact_id: message.contactId || null,
  group_id: message.groupId || null,
  context_wamid: message.contextWamid,
  target_wamid: message.targetWamid || null,
  edited_at: time(message.editedAtMs),
  original_text: message.editedAtMs === undefined ? null : message.originalText,
  revoked_at: time(message.revokedAtMs),
  media: message.media ? mediaToJson(message.media) : null,
  content: json(message.contentJson),
  reactions: message.reactions.map(({ emoji, atMs, contactId }) => ({
    emoji,
    at: time(atMs),
    contact_id: contactId || null,
  })),
  forwarded: message.forwarded,
  frequently_forwarded: message.frequentlyForwarded,
  referral: json(message.referralJson),
  referred_product: json(message.referredProductJson),
})

const mediaToJson = ({ id, mimeType, sha256, caption, filename, voice, animated }: Media) => ({
  ...{ id, mime_type: mimeType, sha256, caption, filename, voice, animated },
})

const json = (text: string): unknown => (text === '' ? null : JSON.parse(text))

/** The `after` of the next page; null when this one was not full. */
export function nextAfter<Row>(
  rows: Row[],
  limit: number,
  idOf: (row: Row) => string | number,
): string | number | null {
  return rows.length < limit ? null : idOf(rows.at(-1)!)
}
