import { AppError, type Caller, type Failure, failures } from '@lockstep/contracts'
import { type Metadata, Status } from 'nice-grpc-common'

/** Who calls, and until when. Handed on unchanged when a method calls another service. */
export interface Call {
  /** The tenant; empty in operator calls. */
  accountId: string
  /** By its certificate; undefined where services speak plain text. */
  caller?: Caller
  /** Fires when the caller gives up or its deadline passes. */
  signal?: AbortSignal
}

/** A method of a service: gets its context and the request, returns or throws AppError. */
export type Method<Context, Request, Response> = (
  ctx: Context,
  request: Request,
  call: Call,
) => Promise<Response>

/** A method that answers with a stream. */
export type StreamMethod<Context, Request, Response> = (
  ctx: Context,
  request: Request,
  call: Call,
) => AsyncIterable<Response>

/** `timeoutMs` where 10 s (for a stream: until its end) don't fit. */
export type CallWith = Partial<Call> & { timeoutMs?: number }

export const accountHeader = 'lockstep-account'
/** Set when the method itself has failed, and not the way to it. */
export const failureTrailer = 'lockstep-failure'
export const defaultTimeoutMs = 10_000
/** The largest message that a client or a server takes. */
export const maxMessageBytes = 16 * 1024 * 1024

const failureByStatus = new Map<number, Failure>(
  Object.entries(failures).map(([name, row]) => [row.grpc, name as Failure]),
)

/** A call that was cut off is busy or timeout, an unknown status internal. */
export function failureOfStatus(status: number): Failure {
  if (status === Status.CANCELLED) return 'timeout'
  return failureByStatus.get(status) ?? 'internal'
}

/** grpc-js gives it the status of a rate limit, and only its message differs. */
export function isTooLarge(status: number, message: string): boolean {
  return (
    status === Status.RESOURCE_EXHAUSTED &&
    /^(Received|Sent) message larger than max \(/.test(message)
  )
}

const accountPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Empty when the call names none; throws `unauthenticated` for what can't be an id. */
export function accountOf(metadata: Metadata): string {
  const accountId = metadata.get(accountHeader) ?? ''
  if (accountId && !accountPattern.test(accountId))
    throw new AppError(
      'unauthenticated',
      `"${accountHeader}" must be an account id, a UUID in lower case`,
    )
  return accountId
}

/** Throws `unauthenticated` unless the call acts for an account. */
export function requireAccount(call: Call): void {
  if (call.accountId) return
  throw new AppError(
    'unauthenticated',
    `This call acts for an account, but its metadata names none: set "${accountHeader}" to the account id`,
  )
}
