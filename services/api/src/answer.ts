import { AppError, failureOf, failures } from '@lockstep/contracts'
import { isDatabaseUnavailable } from '@lockstep/database'

/** What leaves by the public door: a status and a JSON text. */
export interface Answer {
  status: number
  body: string
}

/** Anything thrown as the failure that the caller is told: fastify's own refusals and a database that is away have words, too. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError && failureOf(error) !== 'internal') return error
  if (isDatabaseUnavailable(error))
    return new AppError('busy', 'The database is away for a moment; try again', { cause: error })
  const status = (error as { statusCode?: number } | null)?.statusCode ?? 500
  const words = error instanceof Error ? error.message : ''
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
    return new AppError('invalid', `The request can't be read: ${words}`, { cause: error })
  return new AppError('internal', 'Internal error', { cause: error })
}

/** A failure as the caller sees it: `{error: {code, message, request_id}}`, the code being the failure's name. */
export function failureAnswer(error: AppError, requestId: string): Answer {
  const { failure, message } = error
  return {
    status: failures[failure].http,
    body: JSON.stringify({ error: { code: failure, message, request_id: requestId } }),
  }
}
