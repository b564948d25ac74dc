import { counter } from '@lockstep/telemetry'
import {
  type AppIdentity,
  checkApp,
  type GraphToken,
  inspectToken,
  subscribeApp,
} from './graph-access.ts'
import {
  type GraphPhoneNumber,
  type GraphTemplate,
  readIdPage,
  readPhoneNumber,
  readTemplatePage,
  templateFields,
} from './graph-objects.ts'
import { type GraphAccess, GraphRequests, graphErrorsTotal, pathPart } from './graph-requests.ts'
import { type SendOutcome, sendOutcome } from './send-outcome.ts'
import { type CodeQuestion, exchangeCode, registerNumber } from './sign-up.ts'
import { createSockets, type Socket } from './sockets.ts'
import {
  type SubscribeWebhookRequest,
  subscribeWebhook,
  type WebhookSubscription,
  webhookSubscription,
} from './webhook-subscription.ts'

export interface GraphClientOptions {
  /** Scheme, host, port and optional path of the Graph API, e.g. `https://graph.facebook.com`. */
  baseUrl: string
  /** Version of the Graph API, e.g. `v24.0`. */
  version: string
  /** Bound on the wait for a connection, and again on the wait for the answer. */
  timeoutMs?: number
  /**
   * An idle connection is closed after this: shorter than any peer's, or its idle resets turn into
   * unknown outcomes.
   */
  keepAliveTimeoutMs?: number
  /** The most connections that are open at the same time. */
  maxSockets?: number
}

export interface SendRequest extends GraphAccess {
  phoneNumberId: string
  /** The message, as `buildTemplateMessage` or `buildTextMessage` makes it. */
  body: object
  signal?: AbortSignal
  /** A connection that was opened for it; without one it waits for one first. */
  socket?: Socket
  /**
   * On the clock of `performance.now()`: if the POST was not begun by then, it is never written and
   * the outcome is `notSent`.
   */
  notAfterMs?: number
  /** Called right before the first byte is written, with `performance.now()`. */
  onWritten?: (writtenAtMs: number) => void
}

interface Question extends GraphAccess {
  signal?: AbortSignal
}

interface WabaQuestion extends Question {
  wabaId: string
}

interface NumberQuestion extends Question {
  phoneNumberId: string
}

export interface GraphClient {
  /**
   * Opens a connection, or takes one that is open, before it is known when it is used. Throws
   * `busy` when none can be opened in time.
   */
  open(signal?: AbortSignal): Promise<Socket>
  /**
   * Sends one message and says what became of it. Never throws: each way it can end is an outcome.
   * Never retries.
   */
  sendMessage(request: SendRequest): Promise<SendOutcome>
  /** The templates of a WABA, page by page. Throws AppError. */
  listTemplates(request: WabaQuestion): AsyncIterable<GraphTemplate[]>
  /** A number as Meta knows it: also the check that a token may use it. Throws AppError. */
  getPhoneNumber(request: NumberQuestion): Promise<GraphPhoneNumber>
  /** True when a number is one of the WABA's, which its own node doesn't say. Throws AppError. */
  hasPhoneNumber(request: WabaQuestion & NumberQuestion): Promise<boolean>
  /** Throws AppError `precondition` unless the secret is that of the app. */
  checkApp(request: AppIdentity & { signal?: AbortSignal }): Promise<void>
  /** Where Meta posts the app's webhooks; null for nowhere. Throws AppError. */
  webhookSubscription(
    request: AppIdentity & { signal?: AbortSignal },
  ): Promise<WebhookSubscription | null>
  /** Has them posted to a URL that answers Meta's handshake. Throws AppError. */
  subscribeWebhook(request: SubscribeWebhookRequest): Promise<void>
  /**
   * The token of a code of Embedded Signup, which is good once. Throws AppError, `precondition` for
   * one that was used or is over.
   */
  exchangeCode(request: CodeQuestion): Promise<string>
  /** Registers a number for the Cloud API, once however often. Throws AppError. */
  registerNumber(request: NumberQuestion & { pin: string }): Promise<void>
  /** What Meta tells the app of a token. Throws AppError, `precondition` for another app's token. */
  inspectToken(request: AppIdentity & { token: string; signal?: AbortSignal }): Promise<GraphToken>
  /**
   * Subscribes the token's app to the webhooks of a WABA, once however often; answers the ids of all
   * that are subscribed. Throws AppError.
   */
  subscribeApp(request: WabaQuestion): Promise<string[]>
}

const sends = counter('lockstep_graph_sends_total', 'Messages posted to Meta, by outcome')

/**
 * The client of Meta's Graph API, over HTTP/1.1 connections. Disposing it lets running requests
 * end.
 */
export function createGraphClient(options: GraphClientOptions): GraphClient & AsyncDisposable {
  const { timeoutMs = 10_000, keepAliveTimeoutMs = 4_000, maxSockets = 64 } = options
  const { origin, pathname } = new URL(options.baseUrl)
  const prefix = `${pathname.replace(/\/$/, '')}/${options.version}`
  const limits = { max: maxSockets, connectTimeoutMs: timeoutMs, keepAliveTimeoutMs }
  const sockets = createSockets({ origin, ...limits })
  const requests = new GraphRequests(sockets, { prefix, timeoutMs })
  return {
    open: (signal) => sockets.open(signal),
    sendMessage: (request) => sendMessage(requests, request),
    async *listTemplates({ wabaId, ...how }) {
      for await (const { templates } of requests.pages(templatesOf(wabaId), how)) yield templates
    },
    async getPhoneNumber({ phoneNumberId, ...how }) {
      const path = `/${pathPart(phoneNumberId)}?fields=${phoneNumberFields}`
      return readPhoneNumber(await requests.get(path, how))
    },
    async hasPhoneNumber({ wabaId, phoneNumberId, ...how }) {
      for await (const { ids } of requests.pages(numbersOf(wabaId), how))
        if (ids.includes(phoneNumberId)) return true
      return false
    },
    checkApp: (request) => checkApp(requests, request),
    exchangeCode: (request) => exchangeCode(requests, request),
    registerNumber: (request) => registerNumber(requests, request),
    webhookSubscription: (request) => webhookSubscription(requests, request),
    subscribeWebhook: (request) => subscribeWebhook(requests, request),
    inspectToken: (request) => inspectToken(requests, request),
    subscribeApp: (request) => subscribeApp(requests, request),
    [Symbol.asyncDispose]: () => sockets[Symbol.asyncDispose](),
  }
}

async function sendMessage(
  requests: GraphRequests,
  { phoneNumberId, token, proof, body, ...how }: SendRequest,
): Promise<SendOutcome> {
  const path = `/${pathPart(phoneNumberId)}/messages`
  const request = { method: 'POST', path, body: JSON.stringify(body) } as const
  const outcome = sendOutcome(await requests.send(request, { token, proof }, how))
  sends(1, { outcome: outcome.kind })
  if ('code' in outcome)
    graphErrorsTotal(1, { code: String(outcome.code ?? 'none'), endpoint: 'messages' })
  return outcome
}

const templatesOf = (nodeId: string) => ({
  ...{ nodeId, edge: 'message_templates', fields: templateFields },
  read: readTemplatePage,
})

const numbersOf = (nodeId: string) => ({
  ...{ nodeId, edge: 'phone_numbers', fields: 'id' },
  read: readIdPage,
})

/**
 * `whatsapp_business_manager_messaging_limit`: Meta, messaging-limits; the other fields are of the
 * phone-number node.
 */
const phoneNumberFields =
  'id,display_phone_number,verified_name,quality_rating,throughput,whatsapp_business_manager_messaging_limit,status'
