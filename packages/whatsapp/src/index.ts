export * from './app-contacts.ts'
export { type CallFacts, callText, joinCallFacts } from './calls.ts'
export * from './graph-client.ts'
export * from './graph-errors.ts'
export type { GraphPhoneNumber, GraphTemplate } from './graph-objects.ts'
export * from './inbound-messages.ts'
export {
  cleanJson,
  isObject,
  type JsonObject,
  listOf,
  objectOf,
  parseLossless,
  textOf,
  timestampMsOf,
} from './json.ts'
export * from './message.ts'
export type { IdentityMove, Media, Origin, Pricing, Reply } from './message-content.ts'
export * from './message-text.ts'
export * from './meta-ids.ts'
export * from './meta-time.ts'
export * from './number.ts'
export type { SendOutcome } from './send-outcome.ts'
export type { Sender } from './sender.ts'
export * from './signature.ts'
export type { Socket } from './sockets.ts'
export * from './template.ts'
export * from './template-values.ts'
export * from './thread-messages.ts'
export * from './token.ts'
export {
  countElements,
  fieldRule,
  type ParsedWebhook,
  parseWebhook,
  type Unreadable,
  type WebhookBody,
} from './webhook.ts'
export * from './webhook-elements.ts'
export * from './webhook-split.ts'
