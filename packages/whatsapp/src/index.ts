export { type GraphToken, provenAccess } from './graph/graph-access.ts'
export * from './graph/graph-client.ts'
export { graphErrors } from './graph/graph-error-table.ts'
export * from './graph/graph-errors.ts'
export type { GraphPhoneNumber, GraphTemplate } from './graph/graph-objects.ts'
export type { GraphAccess } from './graph/graph-requests.ts'
export type { SendOutcome } from './graph/send-outcome.ts'
export type { Socket } from './graph/sockets.ts'
export { cleanJson, listOf, objectOf, textOf, timestampMsOf } from './json.ts'
export * from './meta-ids.ts'
export * from './meta-time.ts'
export * from './number.ts'
export * from './outgoing/message.ts'
export * from './outgoing/template.ts'
export * from './outgoing/template-values.ts'
export * from './signature.ts'
export * from './token.ts'
export { type CallFacts, callText, mergeCallFacts } from './webhooks/calls.ts'
export * from './webhooks/message-text.ts'
export type { AppContact, UserIdUpdate, UserPreference } from './webhooks/people-updates.ts'
export {
  isKnownStatus,
  type MessageStatus,
  mainError,
  type StatusError,
  statusFailure,
} from './webhooks/statuses.ts'
export * from './webhooks/waba-events.ts'
export { fieldRule, parseWebhook, webhookFields } from './webhooks/webhook-body.ts'
export * from './webhooks/webhook-elements.ts'
export * from './webhooks/webhook-split.ts'
