import type { IncomingHttpHeaders } from 'node:http'
import { isObject, type JsonObject, listOf, objectOf, parseLossless, textOf } from '../json.ts'
import type { Exchange } from './exchange.ts'
import type { GraphErrorScope } from './graph-error-row.ts'
import { type ClassifiedError, classifyGraphError, proofError } from './graph-errors.ts'

/** What became of one POST to `/messages`. The caller's state follows from `kind` alone. */
export type SendOutcome =
  /**
   * Meta took it and will send statuses for `wamid`. Accepted is not delivered. `input` is what was
   * dialled, `waId` and `userId` whom it reached.
   */
  | {
      kind: 'accepted'
      wamid: string
      waId?: string
      userId?: string
      input?: string
      messageStatus?: string
    }
  /** Certain: no byte of it was written. `isLate`: its time had passed. */
  | { kind: 'notSent'; reason: string; isLate: boolean }
  | {
      kind: 'throttled'
      code: number | null
      scope: GraphErrorScope
      message: string
      retryAfterMs?: number
    }
  | {
      kind: 'stopped'
      code: number | null
      scope: GraphErrorScope
      message: string
      details: string
    }
  | { kind: 'rejected'; code: number | null; message: string; details: string }
  /** It may have gone out: only its status webhook can tell. */
  | { kind: 'unknown'; code?: number | null; reason: string }

/**
 * Reads an outcome from how the request went: by Meta's error code first, by the HTTP status only
 * without one.
 */
export function sendOutcome(result: Exchange): SendOutcome {
  if (result.kind === 'notWritten')
    return { kind: 'notSent', reason: sentence(result.reason), isLate: result.isLate }
  if (result.kind === 'noAnswer') return { kind: 'unknown', reason: sentence(result.reason) }
  const body = readBody(result.body)
  const error = graphErrorOf(result.status, result.headers, body)
  return error ? fromError(error) : accepted(result.status, objectOf(body))
}

/**
 * Shape of the answer: Meta, messages/send-messages; `wa_id` is missing when it was sent to a user
 * id (business-scoped-user-ids).
 */
function accepted(status: number, body: JsonObject): SendOutcome {
  const message = objectOf(listOf(body.messages)[0])
  const contact = objectOf(listOf(body.contacts)[0])
  const wamid = textOf(message.id)
  if (!wamid)
    return {
      kind: 'unknown',
      reason: `Meta answered with HTTP ${status}, but without a readable message id`,
    }
  return {
    kind: 'accepted',
    wamid,
    waId: textOf(contact.wa_id),
    userId: textOf(contact.user_id),
    input: textOf(contact.input),
    messageStatus: textOf(message.message_status),
  }
}

function fromError(error: GraphError): SendOutcome {
  const { code, scope, message } = error
  switch (error.class) {
    case 'throttle':
      return { kind: 'throttled', code, scope, message, retryAfterMs: error.retryAfterMs }
    case 'stop':
      return { kind: 'stopped', code, scope, message, details: error.details }
    case 'rejected':
      return { kind: 'rejected', code, message, details: error.details }
    case 'unknown':
      return { kind: 'unknown', code, reason: message }
  }
}

/** An error answer of Graph: its row, and what Meta itself says about this case. */
export interface GraphError extends ClassifiedError {
  details: string
}

/**
 * The error that an answer holds, or null for a 2xx without one. The body may be anything: 5xx are
 * seen as plain text and as HTML.
 */
export function graphErrorOf(
  status: number,
  headers: IncomingHttpHeaders,
  body: unknown,
): GraphError | null {
  const error = objectOf(body).error
  if (!isObject(error) && status >= 200 && status < 300) return null
  const { code, error_subcode, error_data, error_user_msg, message } = objectOf(error)
  const row = proofError(code, message) ?? classifyGraphError(code, status, error_subcode)
  const details =
    textOf(objectOf(error_data).details) ??
    textOf(error_data) ??
    textOf(error_user_msg) ??
    textOf(message) ??
    ''
  return {
    ...row,
    details: details.slice(0, 1_000),
    retryAfterMs: retryAfterMs(headers) ?? row.retryAfterMs,
  }
}

/** The parsed body, or undefined when it is not JSON. */
export function readBody(body: Buffer): unknown {
  try {
    return parseLossless(body)
  } catch {
    return undefined
  }
}

const maxRetryAfterMs = 3_600_000

/**
 * `Retry-After` in seconds, and `estimated_time_to_regain_access` in minutes of
 * X-Business-Use-Case-Usage: the longer one, at most an hour.
 */
function retryAfterMs(headers: IncomingHttpHeaders): number | undefined {
  const seconds = Number(headers['retry-after'])
  const usage = headers['x-business-use-case-usage']
  const known =
    typeof usage === 'string'
      ? Object.values(objectOf(readBody(Buffer.from(usage)))).flatMap(listOf)
      : []
  const minutes = known.map((item) => Number(objectOf(item).estimated_time_to_regain_access))
  const waits = [seconds * 1_000, ...minutes.map((n) => n * 60_000)].filter(
    (ms) => Number.isFinite(ms) && ms > 0,
  )
  return waits.length > 0 ? Math.min(maxRetryAfterMs, Math.max(...waits)) : undefined
}

const sentence = (reason: string): string => `Meta was not reached or did not answer: ${reason}`
