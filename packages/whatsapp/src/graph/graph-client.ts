import { AppError, type Failure, Throttled } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import type { Dispatcher } from 'undici'
import { type Exchange, type ExchangeOptions, exchange } from './exchange.ts'
import type { GraphErrorClass } from './graph-errors.ts'
import {
  type GraphPhoneNumber,
  type GraphTemplate,
  readIdPage,
  readPhoneNumber,
  readTemplatePage,
  templateFields,
} from './graph-objects.ts'
import { graphErrorOf, readBody, type SendOutcome, sendOutcome } from './send-outcome.ts'
import { createSockets, type Socket } from './sockets.ts'

export interface GraphClientOptions {
  /** Scheme, host, port and optional path of the Graph API, e.g. `https://graph.facebook.com`. */
  baseUrl: string
  /** Version of the Graph API, e.g. `v24.0`. */
  version: string
  /** Bound on the wait for a connection, and again on the wait for the answer. */
  timeoutMs?: number
  /** An idle connection is closed after this: shorter than any peer's, or its idle resets turn into unknown outcomes. */
  keepAliveTimeoutMs?: number
  /** The most connections that are open at the same time. */
  connections?: number
}

export interface SendRequest {
  phoneNumberId: string
  token: string
  /** The message, as `buildTemplateMessage` or `buildTextMessage` makes it. */
  body: object
  signal?: AbortSignal
  /** A connection that was opened for it; without one it waits for one first. */
  socket?: Socket
  /** On the clock of `performance.now()`: if the POST was not begun by then, it is never written and the outcome is `notSent`. */
  notAfterMs?: number
  /** Called right before the first byte is written, with `performance.now()`. */
  onWritten?: (writtenAtMs: number) => void
}

export interface GraphClient {
  /** Opens a connection, or takes one that is open, before it is known when it is used. Throws `busy` when none can be opened in time. */
  open(signal?: AbortSignal): Promise<Socket>
  /** Sends one message and says what became of it. Never throws: each way it can end is an outcome. Never retries. */
  sendMessage(request: SendRequest): Promise<SendOutcome>
  /** The templates of a WABA, page by page. Throws AppError. */
  listTemplates(request: {
    wabaId: string
    token: string
    signal?: AbortSignal
  }): AsyncIterable<GraphTemplate[]>
  /** A number as Meta knows it: also the check that a token may use it. Throws AppError. */
  getPhoneNumber(request: {
    phoneNumberId: string
    token: string
    signal?: AbortSignal
  }): Promise<GraphPhoneNumber>
  /** True when a number is one of the WABA's, which its own node doesn't say. Throws AppError. */
  hasPhoneNumber(request: {
    wabaId: string
    phoneNumberId: string
    token: string
    signal?: AbortSignal
  }): Promise<boolean>
}

/** Meta's error codes are a closed list, so that they may be labels. */
const errors = counter(
  'lockstep_graph_errors_total',
  'Answers of Meta with an error, and calls whose outcome is not known, by code',
)
const sends = counter('lockstep_graph_sends_total', 'Messages posted to Meta, by outcome')

const maxAnswerBytes = 256 * 1024
/** A page of 100 templates with carousels is a few hundred kB; this is a bound, not a size to expect. */
const maxPageBytes = 8 * 1024 * 1024
const perPage = 100
/** A WABA holds at most 6,000 templates, each language counted (Meta, templates/overview). */
const maxPages = 100

/**
 * The client of Meta's Graph API, over HTTP/1.1 connections. Disposing it lets running requests end. Tokens are in no error
 * or log.
 */
export function createGraphClient(options: GraphClientOptions): GraphClient & AsyncDisposable {
  const { timeoutMs = 10_000, keepAliveTimeoutMs = 4_000, connections = 64 } = options
  const base = new URL(options.baseUrl)
  const prefix = `${base.pathname.replace(/\/$/, '')}/${options.version}`
  const sockets = createSockets({
    origin: base.origin,
    max: connections,
    connectTimeoutMs: timeoutMs,
    keepAliveTimeoutMs,
  })

  type Asked = Partial<ExchangeOptions> & { socket?: Socket }

  async function ask(
    request: Dispatcher.DispatchOptions,
    token: string,
    { socket, ...options }: Asked,
  ): Promise<Exchange> {
    if (!socket) return askOnAny(request, token, options)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const all = { timeoutMs, maxResponseBytes: maxAnswerBytes, ...options }
    const result = await exchange(socket.dispatcher, { ...request, headers }, all)
    return result.kind === 'answered'
      ? { ...result, body: withoutToken(result.body, token) }
      : result
  }

  async function askOnAny(
    request: Dispatcher.DispatchOptions,
    token: string,
    options: Partial<ExchangeOptions>,
  ): Promise<Exchange> {
    const { notAfterMs = Number.POSITIVE_INFINITY, signal } = options
    const leftMs = notAfterMs - performance.now()
    const isLate = () => performance.now() >= notAfterMs
    try {
      const timeout = AbortSignal.timeout(Math.ceil(Math.max(0, Math.min(timeoutMs, leftMs))))
      const socket = await sockets.open(signal ? AbortSignal.any([signal, timeout]) : timeout)
      try {
        return await ask(request, token, { ...options, socket })
      } finally {
        socket.release()
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return {
        kind: 'notWritten',
        reason: isLate() ? 'its time passed before a connection was free' : error.message,
        isLate: isLate(),
      }
    }
  }

  async function get(
    path: string,
    token: string,
    options: Partial<ExchangeOptions>,
  ): Promise<unknown> {
    const result = await ask({ method: 'GET', path: prefix + path }, token, options)
    if (result.kind !== 'answered')
      throw new AppError('busy', `Meta could not be asked: ${result.reason}. Try again later.`)
    const body = readBody(result.body)
    const error = graphErrorOf(result.status, result.headers, body)
    if (!error) return body
    errors(1, { code: String(error.code ?? 'none'), endpoint: 'management' })
    const { code, details, message, retryAfterMs } = error
    const about = { code, details, httpStatus: result.status }
    if (error.class === 'throttle') throw new Throttled(message, retryAfterMs, about)
    throw new AppError(failureOfClass[error.class], message, { details: about })
  }

  /** The pages of a list, e.g. the templates of a WABA, each as `read` reads it. */
  async function* pages<Page extends { after: string | undefined }>(
    list: { of: string; what: string; fields: string; read: (body: unknown) => Page },
    { token, signal }: { token: string; signal?: AbortSignal },
  ): AsyncGenerator<Page> {
    let after: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const query = new URLSearchParams({
        fields: list.fields,
        limit: String(perPage),
        ...(after ? { after } : {}),
      })
      const path = `/${encodeURIComponent(list.of)}/${list.what}?${query}`
      const read = list.read(await get(path, token, { signal, maxResponseBytes: maxPageBytes }))
      yield read
      if (read.after === undefined) return
      after = read.after
    }
    throw new AppError(
      'too_large',
      `Meta listed more than ${maxPages * perPage} ${list.what}; the reading stopped there`,
    )
  }

  return {
    open: (signal) => sockets.open(signal),
    async sendMessage({ phoneNumberId, token, body, ...how }) {
      const path = `${prefix}/${encodeURIComponent(phoneNumberId)}/messages`
      const request = {
        method: 'POST',
        path,
        body: JSON.stringify(body),
      } satisfies Dispatcher.DispatchOptions
      const outcome = sendOutcome(await ask(request, token, how))
      sends(1, { outcome: outcome.kind })
      if ('code' in outcome)
        errors(1, { code: String(outcome.code ?? 'none'), endpoint: 'messages' })
      return outcome
    },
    async *listTemplates({ wabaId, ...how }) {
      const list = {
        of: wabaId,
        what: 'message_templates',
        fields: templateFields,
        read: readTemplatePage,
      }
      for await (const { templates } of pages(list, how)) yield templates
    },
    async getPhoneNumber({ phoneNumberId, token, signal }) {
      return readPhoneNumber(
        await get(`/${encodeURIComponent(phoneNumberId)}?fields=${phoneNumberFields}`, token, {
          signal,
        }),
      )
    },
    async hasPhoneNumber({ wabaId, phoneNumberId, ...how }) {
      const list = { of: wabaId, what: 'phone_numbers', fields: 'id', read: readIdPage }
      for await (const { ids } of pages(list, how)) if (ids.includes(phoneNumberId)) return true
      return false
    },
    async [Symbol.asyncDispose]() {
      await sockets[Symbol.asyncDispose]()
    },
  }
}

/** `whatsapp_business_manager_messaging_limit`: Meta, messaging-limits; the other fields are of the phone-number node. */
const phoneNumberFields =
  'id,display_phone_number,verified_name,quality_rating,throughput,whatsapp_business_manager_messaging_limit'

/** An answer about a malformed token quotes it: what leaves here never does. */
function withoutToken(body: Buffer, token: string): Buffer {
  return token !== '' && body.includes(token)
    ? Buffer.from(body.toString('utf8').replaceAll(token, '[token]'))
    : body
}

const failureOfClass = {
  stop: 'precondition',
  unknown: 'busy',
  rejected: 'precondition',
} as const satisfies Record<Exclude<GraphErrorClass, 'throttle'>, Failure>
