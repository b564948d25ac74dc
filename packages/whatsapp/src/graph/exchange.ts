import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

/** How one HTTP request went: never begun, begun but without a whole answer, or answered. */
export type Exchange =
  /** `isLate`: it was not begun before its time had passed. */
  | { kind: 'notWritten'; reason: string; isLate: boolean }
  | { kind: 'noAnswer'; reason: string }
  | { kind: 'answered'; status: number; headers: IncomingHttpHeaders; body: Buffer }

export interface ExchangeOptions {
  /**
   * Bound on the wait for a connection, and again on the time from the first byte written to the
   * last one read.
   */
  timeoutMs: number
  maxResponseBytes: number
  /** On the clock of `performance.now()`: a request that was not begun by then is never written. */
  notAfterMs?: number
  /** Called once, right before the first byte is written, with `performance.now()`. */
  onWritten?: (writtenAtMs: number) => void
  signal?: AbortSignal
}

/**
 * Sends one request and resolves with how it went. `notWritten` is certain: undici calls
 * `onRequestStart` right before the first write, and writes nothing when that throws (client-h1.js,
 * writeH1; HTTP/1.1 only).
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  options: ExchangeOptions,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const handler = new ExchangeHandler(options, resolve)
    if (!handler.settled) dispatcher.dispatch(request, handler)
  })
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  settled = false
  readonly #options: ExchangeOptions
  readonly #resolve: (result: Exchange) => void
  readonly #onAbort = (): void => this.#giveUp('it was cancelled')
  #timer: NodeJS.Timeout | undefined
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(options: ExchangeOptions, resolve: (result: Exchange) => void) {
    this.#options = options
    this.#resolve = resolve
    const untilLatest = (options.notAfterMs ?? Number.POSITIVE_INFINITY) - performance.now()
    if (options.signal?.aborted) this.#giveUp('it was cancelled')
    else if (untilLatest <= 0) this.#giveUp('its time had passed', true)
    else this.#waitForStart(untilLatest)
  }

  #waitForStart(untilLatest: number): void {
    const { signal, timeoutMs } = this.#options
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    const isLate = untilLatest < timeoutMs
    const reason = isLate
      ? 'its time passed before a connection was free'
      : 'no connection was free in time'
    this.#timer = setTimeout(() => this.#giveUp(reason, isLate), Math.min(timeoutMs, untilLatest))
  }

  /**
   * Throwing here is the one way to stop a request without a byte written and without losing the
   * connection.
   */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#controller) this.#giveUp('the connection was lost after it was written')
    // The timer may be late when the event loop was blocked, so the clock is asked again.
    else if (performance.now() > (this.#options.notAfterMs ?? Number.POSITIVE_INFINITY))
      this.#giveUp('its time had passed', true)
    if (this.settled) throw new Error('Not started: its outcome is already known')
    this.#controller = controller
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#giveUp('no answer came in time'), this.#options.timeoutMs)
    this.#options.onWritten?.(performance.now())
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#options.maxResponseBytes) this.#giveUp('the answer was too large')
    else this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#settle({ kind: 'answered', status: this.#status, headers: this.#headers, body })
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#giveUp(`the connection failed (${causeOf(error)})`)
  }

  #giveUp(reason: string, isLate = false): void {
    if (this.settled) return
    const controller = this.#controller
    this.#settle(controller ? { kind: 'noAnswer', reason } : { kind: 'notWritten', reason, isLate })
    controller?.abort(new Error(reason))
  }

  #settle(result: Exchange): void {
    if (this.settled) return
    this.settled = true
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#resolve(result)
  }
}

/** What undici's own codes mean. */
const causes: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'it took too long to open',
  UND_ERR_SOCKET: 'it was closed',
  UND_ERR_CLOSED: 'it was closed here',
  UND_ERR_DESTROYED: 'it was closed here',
  UND_ERR_ABORTED: 'it was closed here',
  UND_ERR_INVALID_ARG: 'the request can not be written as it is',
  UND_ERR_HEADERS_OVERFLOW: "the answer's headers were too large",
}

/**
 * Why a connection failed: the system's code, e.g. ECONNREFUSED, or a few words. Its message is
 * left out: it may quote what was sent.
 */
export function causeOf({ code, name }: Error & { code?: unknown }): string {
  if (name === 'HTTPParserError') return 'the answer was no HTTP'
  if (typeof code !== 'string') return 'for no reason that is known'
  return causes[code] ?? (code.startsWith('UND_') ? 'for a reason of its own' : code)
}
