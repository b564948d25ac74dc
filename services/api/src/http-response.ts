import { AppError, failureOf, failures } from '@lockstep/contracts'
import { isDatabaseUnavailable } from '@lockstep/database'
import { InvalidInput } from './input.ts'

/** A status and a JSON text. */
export interface HttpResponse {
  status: number
  body: string
}

/**
 * What the caller is told of anything thrown, fastify's own refusals and a database that is away
 * among it.
 */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError && failureOf(error) !== 'internal') return error
  if (isDatabaseUnavailable(error))
    return new AppError('busy', 'The database is away for a moment; try again', { cause: error })
  const status = (error as { statusCode?: number } | null)?.statusCode ?? 500
  const message = error instanceof Error ? error.message : ''
  if (status === 413)
    return new AppError('too_large', 'The body is larger than 1 MB', { cause: error })
  if (status === 415)
    return new AppError(
      'invalid',
      'Send the body as JSON with "Content-Type: application/json", a contact import with "text/csv"',
      {
        cause: error,
      },
    )
  if (status >= 400 && status < 500)
    return new AppError('invalid', `The request can't be read: ${message}`, { cause: error })
  return new AppError('internal', 'Internal error', { cause: error })
}

/**
 * A failure as the caller sees it (RFC 9457): `code` is the failure's name, `detail` says what is
 * wrong and what to do, `errors` names the fields of a request that doesn't fit.
 */
export function failureResponse(error: AppError, requestId: string): HttpResponse {
  const { http: status, title } = failures[error.failure]
  const body = {
    type: `/docs#${error.failure}`,
    title,
    status,
    code: error.failure,
    detail: error.message,
    ...(error instanceof InvalidInput && { errors: error.errors }),
    request_id: requestId,
  }
  return { status, body: JSON.stringify(body) }
}

/** What a request is refused with that is no HTTP, or did not arrive. */
export function clientFailure({ code }: { code?: string }): AppError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new AppError('too_large', 'The headers of the request are larger than 16 KB')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new AppError('invalid', 'The request took too long to arrive; nothing of it was done')
  return new AppError('invalid', "This isn't a valid HTTP request")
}

/**
 * Headers of every response: a browser guesses no type, shows it in no frame, keeps nothing, and
 * lends it to no other site. None allows an origin: CORS stays closed.
 */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

/** The media type of a body with this status. */
export const typeOf = (status: number): string =>
  `application/${status >= 400 ? 'problem+json' : 'json'}; charset=utf-8`
