/** What became of a part of a webhook, and what that means. A part without an outcome is open. */
export const partOutcomes = {
  done: 'it had its effect',
  no_action: 'nothing is done about what it says',
  no_match: 'what it is about is not known here',
  wrong_app: 'its number or WABA belongs to an account that does not use the app that signed it',
  no_connection: 'its number or WABA was connected to no account; connecting it opens the part',
  over_share: 'its body or its app had more of such parts than its share',
  unknown_field: 'its field is not known here',
  unreadable: 'it could not be read',
  dead: 'its handler failed three times; a person replays or dismisses it',
  dismissed: 'a person has given it up',
} as const
export type PartOutcome = keyof typeof partOutcomes

/** What became of an entry of any lane; `failed` says that its work ended without success. */
export type EntryOutcome = PartOutcome | 'failed'

/** What a connection can do by Meta's word. A `disabled` one sends nothing, a `restricted` one less. */
export type ConnectionHealth = 'ok' | 'restricted' | 'disabled'

/** What of messaging a restriction of a number forbids: to write first, or to answer. */
export type MessagingBan = 'business_initiated' | 'replies'

/** Where a sync of templates stands. */
export const syncStates = ['queued', 'running', 'done', 'failed'] as const
export type SyncState = (typeof syncStates)[number]

/** Where a campaign stands. */
export const campaignStates = [
  'draft',
  'preparing',
  'sending',
  'paused',
  'completed',
  'cancelled',
  'failed',
] as const
export type CampaignState = (typeof campaignStates)[number]

/** What Meta answered to an attempt to send, as far as it is known. */
export const attemptOutcomes = [
  'sending',
  'accepted',
  'not_sent',
  'rejected',
  'unknown',
  'skipped',
] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

/** What sending waits for. */
const sendWaits = ['contacts', 'meta', 'limit', 'database'] as const
export type SendWait = (typeof sendWaits)[number]

/**
 * What a campaign waits for while it sends: Meta's restriction, replies that are not handled, or
 * what sending waits for.
 */
export const campaignWaits = ['restriction', 'replies', ...sendWaits] as const
export type CampaignWait = (typeof campaignWaits)[number]

/** Where a recipient stands: what the last attempt and its statuses say. */
export const recipientStates = [
  'queued',
  'sending',
  'accepted',
  'sent',
  'delivered',
  'read',
  'failed',
  'rejected',
  'skipped',
  'unknown',
] as const
export type RecipientState = (typeof recipientStates)[number]

/**
 * What a person can say, or what is ordered on their behalf. `block` refuses everything, `opt_out`
 * what is marketing.
 */
export const consentKinds = ['opt_out', 'opt_in', 'block', 'unblock'] as const
export type ConsentKind = (typeof consentKinds)[number]

/** Ways in which it was said to Meta, with Meta's time. */
export const metaConsentVias = [
  'word',
  'button',
  'preference',
  'error_131050',
  'error_130403',
] as const
/**
 * Ways with a time of our clock; `merge` says again what a merged contact had refused, `forgotten`
 * what somebody had before they were forgotten.
 */
export const ownConsentVias = ['api', 'import', 'merge', 'forgotten'] as const
export const consentVias = [...metaConsentVias, ...ownConsentVias] as const
export type ConsentVia = (typeof consentVias)[number]

/** Who made a contact. */
export const contactSources = ['webhook', 'import', 'api', 'manual', 'campaign'] as const
export type ContactSource = (typeof contactSources)[number]

/** What the values of an attribute are. */
export const attributeTypes = ['text', 'number', 'date', 'boolean', 'choice'] as const
export type AttributeType = (typeof attributeTypes)[number]

/** Where an import stands. */
export const importStates = ['queued', 'running', 'done', 'failed'] as const
export type ImportState = (typeof importStates)[number]

/** Why a contact may not be written to. */
export type ContactRefusal = 'deleted' | 'blocked' | 'opted_out' | 'unreachable'

/** Whether a person wrote a message, or the business. */
export const messageDirections = ['in', 'out'] as const
export type MessageDirection = (typeof messageDirections)[number]

/** How a message came to be known here. */
export const messageSources = {
  cloud_api: 'it was written to the number, or is a call',
  phone_app: "the business wrote it in the WhatsApp app on the number's phone",
  history: 'it is from before the number was connected',
  standby: 'it was written while another sender, such as an agent of Meta, answers the person',
} as const
export type MessageSource = keyof typeof messageSources

/** Where the delivery of an event to a webhook endpoint stands. */
export const deliveryStates = ['pending', 'delivered', 'failed'] as const
export type DeliveryState = (typeof deliveryStates)[number]
