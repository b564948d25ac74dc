import { AppError, type Failure, Throttled } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import type { Dispatcher } from 'undici'
import { type Exchange, type ExchangeOptions, exchange } from './exchange.ts'
import type { GraphErrorClass } from './graph-error-row.ts'
import { graphErrorOf, readBody } from './send-outcome.ts'
import type { Socket, Sockets } from './sockets.ts'

/** Meta's error codes are a closed list, so that they may be labels. */
export const graphErrorsTotal = counter(
  'lockstep_graph_errors_total',
  'Answers of Meta with an error, and calls whose outcome is not known, by code',
)

const maxAnswerBytes = 256 * 1024
/**
 * A page of 100 templates with carousels is a few hundred kB; this is a bound, not a size to
 * expect.
 */
const maxPageBytes = 8 * 1024 * 1024
const perPage = 100
/** A WABA holds at most 6,000 templates, each language counted (Meta, templates/overview). */
const maxPages = 100

/** A list below a node of Graph. */
export interface GraphList<Page> {
  nodeId: string
  edge: string
  fields: string
  read(body: unknown): Page
}

/**
 * A part of a path; a server that resolves `..` is given none, for dots are escaped as well.
 */
export const pathPart = (text: string): string => encodeURIComponent(text).replaceAll('.', '%2E')

/** What a call is made with. */
export interface GraphAccess {
  token: string
  /** `appSecretProof` of the token; empty without the secret of its app. */
  proof: string
}

export interface ReadOptions extends GraphAccess {
  /** What else an answer must not quote. */
  secret?: string
  signal?: AbortSignal | undefined
}

type RequestOptions = Partial<ExchangeOptions> & { socket?: Socket }

/** Requests to one version of Graph. Tokens are in no error or log. */
export class GraphRequests {
  readonly #sockets: Sockets
  readonly #timeoutMs: number
  readonly #prefix: string

  /** `prefix` stands before each path: `/v24.0`. */
  constructor(sockets: Sockets, { prefix, timeoutMs }: { prefix: string; timeoutMs: number }) {
    this.#sockets = sockets
    this.#timeoutMs = timeoutMs
    this.#prefix = prefix
  }

  /** Sends one request, over the given socket or the first that is free in time. */
  async send(
    request: Dispatcher.DispatchOptions,
    access: GraphAccess,
    { socket, ...options }: RequestOptions,
  ): Promise<Exchange> {
    if (!socket) return this.#sendOnAny(request, access, options)
    const { token } = access
    const headers = {
      ...(token !== '' && { authorization: `Bearer ${token}` }),
      'content-type': 'application/json',
    }
    const all = { timeoutMs: this.#timeoutMs, maxResponseBytes: maxAnswerBytes, ...options }
    const path = this.#prefix + withProof(request.path, access)
    const result = await exchange(socket.dispatcher, { ...request, path, headers }, all)
    return result.kind === 'answered'
      ? { ...result, body: withoutToken(result.body, token) }
      : result
  }

  async #sendOnAny(
    request: Dispatcher.DispatchOptions,
    access: GraphAccess,
    options: Partial<ExchangeOptions>,
  ): Promise<Exchange> {
    const { notAfterMs = Number.POSITIVE_INFINITY, signal } = options
    const leftMs = notAfterMs - performance.now()
    const isLate = () => performance.now() >= notAfterMs
    try {
      const waitMs = Math.max(0, Math.min(this.#timeoutMs, leftMs))
      const timeout = AbortSignal.timeout(Math.ceil(waitMs))
      const socket = await this.#sockets.open(signal ? AbortSignal.any([signal, timeout]) : timeout)
      try {
        return await this.send(request, access, { ...options, socket })
      } finally {
        socket.release()
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const reason = isLate() ? 'its time passed before a connection was free' : error.message
      return { kind: 'notWritten', reason, isLate: isLate() }
    }
  }

  /** The body of an answer; throws AppError for one that is an error, and when there is none. */
  get(path: string, options: ReadOptions, maxResponseBytes = maxAnswerBytes): Promise<unknown> {
    return this.#ask({ method: 'GET', path }, options, maxResponseBytes)
  }

  /** As `get`, for what may be done twice. */
  post(path: string, options: ReadOptions, body: object = {}): Promise<unknown> {
    const request = { method: 'POST', path, body: JSON.stringify(body) } as const
    return this.#ask(request, options, maxAnswerBytes)
  }

  async #ask(
    request: Dispatcher.DispatchOptions,
    { token, proof, secret = '', signal }: ReadOptions,
    maxResponseBytes: number,
  ): Promise<unknown> {
    const options = { maxResponseBytes, ...(signal && { signal }) }
    const result = await this.send(request, { token, proof }, options)
    if (result.kind !== 'answered')
      throw new AppError('busy', `Meta could not be asked: ${result.reason}. Try again later.`)
    const body = readBody(withoutToken(result.body, secret))
    const error = graphErrorOf(result.status, result.headers, body)
    if (!error) return body
    graphErrorsTotal(1, { code: String(error.code ?? 'none'), endpoint: 'management' })
    const { code, details, message, retryAfterMs } = error
    const about = { code, details, httpStatus: result.status }
    if (error.class === 'throttle') throw new Throttled(message, retryAfterMs, about)
    throw new AppError(failureOfClass[error.class], message, { details: about })
  }

  /** The pages of a list. */
  async *pages<Page extends { after: string | undefined }>(
    { nodeId, edge, fields, read }: GraphList<Page>,
    options: ReadOptions,
  ): AsyncGenerator<Page> {
    let after: string | undefined
    for (let count = 0; count < maxPages; count++) {
      const limit = String(perPage)
      const query = new URLSearchParams({ fields, limit, ...(after ? { after } : {}) })
      const path = `/${pathPart(nodeId)}/${edge}?${query}`
      const page = read(await this.get(path, options, maxPageBytes))
      yield page
      if (page.after === undefined) return
      after = page.after
    }
    throw new AppError(
      'too_large',
      `Meta listed more than ${maxPages * perPage} ${edge}; the reading stopped there`,
    )
  }
}

/** Its query is the one place where Graph takes a proof. */
function withProof(path: string, { proof }: GraphAccess): string {
  if (proof === '') return path
  return `${path}${path.includes('?') ? '&' : '?'}appsecret_proof=${proof}`
}

/** An answer about a malformed token quotes it. */
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
