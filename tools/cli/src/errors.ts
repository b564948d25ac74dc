import { ApiError, ApiUnreachable } from '@lockstep/client'
import { CommanderError } from 'commander'

/** What the command ends with. */
export const exitCodes = {
  done: 0,
  /** The API refused, or what was watched did not end well. */
  failed: 1,
  /** The command line is wrong, or nobody is logged in. */
  usage: 2,
  /** The key is not valid, or lacks a right. */
  forbidden: 3,
  notFound: 4,
  /** The API is away or busy: the same command may work later. */
  away: 5,
} as const

/** Said to a person as it stands. */
export class CliError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
  }
}

const byStatus: Readonly<Record<number, number>> = {
  401: exitCodes.forbidden,
  403: exitCodes.forbidden,
  404: exitCodes.notFound,
  429: exitCodes.away,
  502: exitCodes.away,
  503: exitCodes.away,
  504: exitCodes.away,
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode
  if (error instanceof CommanderError)
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (error instanceof ApiUnreachable) return exitCodes.away
  if (error instanceof ApiError) return byStatus[error.status] ?? exitCodes.failed
  return exitCodes.failed
}

/** What went wrong and what to do, one line each. */
export function describeError(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)]
  if (error instanceof ApiUnreachable)
    return [
      error.message,
      'Is the API running, and is this its address? lockstep contexts shows it.',
    ]
  if (!(error instanceof ApiError)) return [error.message]
  const advice = error.status === 401 ? ['Log in with a valid key: lockstep login'] : []
  const request = error.requestId ? [`Request ${error.requestId}`] : []
  return [error.detail, ...advice, ...request]
}

/** The same for a program. */
export function errorJson(error: unknown): object {
  if (!(error instanceof ApiError)) return { detail: describeError(error)[0] }
  const { code, status, detail, errors, requestId: request_id } = error
  return { code, status, detail, errors, request_id }
}
