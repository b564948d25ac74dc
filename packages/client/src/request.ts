import { setTimeout as delay } from 'node:timers/promises'
import { ApiError, ApiUnreachable } from './errors.ts'

/** A request that is ready to be sent, as often as it takes. */
export interface PreparedRequest {
  method: string
  url: string
  headers: Readonly<Record<string, string>>
  /** Makes the body of one try. */
  body?: () => NonNullable<RequestInit['body']>
  /** Bound on each try, in ms. */
  timeoutMs: number
  /** Of the caller: ends everything. */
  signal?: AbortSignal | undefined
}

/** One try and its repetitions. */
const maxTries = 4
const firstWaitMs = 200
/** A caller that has to wait for longer decides for itself. */
const longestWaitMs = 60_000

/**
 * Sends a request until it is answered, and repeats what can do no harm: what certainly was not
 * done, what reads, and what its Idempotency-Key protects. Throws `ApiError`, `ApiUnreachable`, or
 * the reason of `signal`.
 */
export async function send(request: PreparedRequest): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    try {
      return await sendOnce(request)
    } catch (error) {
      request.signal?.throwIfAborted()
      const waitMs = waitBeforeRepeat(error, tries)
      if (waitMs === undefined) throw error
      await delay(waitMs, undefined, { signal: request.signal })
    }
  }
}

async function sendOnce(request: PreparedRequest): Promise<unknown> {
  const { method, url, headers, body, timeoutMs, signal } = request
  const ends = AbortSignal.timeout(timeoutMs)
  const init: RequestInit & { duplex: 'half' } = {
    method,
    headers,
    body: body?.(),
    duplex: 'half',
    // A key goes to the server that was named, and to no other.
    redirect: 'manual',
    signal: signal ? AbortSignal.any([signal, ends]) : ends,
  }
  const { response, text } = await answerTo(url, init)
  const json = jsonOf(text)
  if (response.ok && json !== undefined) return json
  throw new ApiError(response, problemOf(response, text))
}

/** What a failure says of itself; nothing when it is not of this API. */
export function problemOf({ headers }: Response, text: string): object {
  const isProblem = headers.get('content-type')?.startsWith('application/problem+json')
  return isProblem ? ((jsonOf(text) as object | undefined) ?? {}) : {}
}

async function answerTo(url: string, init: RequestInit) {
  try {
    const response = await fetch(url, init)
    return { response, text: await response.text() }
  } catch (error) {
    throw new ApiUnreachable(url, error)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** In ms; undefined when the failure stays one. */
function waitBeforeRepeat(error: unknown, tries: number): number | undefined {
  if (tries >= maxTries || !mayRepeat(error)) return undefined
  const ownMs = firstWaitMs * 2 ** (tries - 1) * (0.5 + Math.random() / 2)
  const wantedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0
  return wantedMs > longestWaitMs ? undefined : Math.max(ownMs, wantedMs)
}

/** A 409 with Retry-After is an earlier try that is still running. */
export function mayRepeat(error: unknown): boolean {
  if (error instanceof ApiUnreachable) return true
  if (!(error instanceof ApiError)) return false
  if (error.status === 409) return error.retryAfterMs !== undefined
  return [429, 502, 503, 504].includes(error.status)
}
