import { AppError, type Caller, type Failure, failures } from '@lockstep/contracts'
import { type Metadata, Status } from 'nice-grpc-common'

/** Who gave the order that a call is part of, as the API knows it. */
export interface Actor {
  kind: 'person' | 'program'
  /** The person's id, or the API key's. */
  id: string
  address: string
  requestId: string
}

/** Who calls, and until when. Handed on unchanged when a method calls another service. */
export interface Call {
  /** The tenant; empty in operator calls. */
  accountId: string
  /** By its certificate; undefined where services speak plain text. */
  caller?: Caller
  /** Undefined where no request of the public API is behind the call. */
  actor?: Actor
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
export const actorHeader = 'lockstep-actor'
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

/** Undefined when the call names none; throws `unauthenticated` for what can't be one. */
export function actorOf(metadata: Metadata): Actor | undefined {
  const text = metadata.get(actorHeader)
  if (!text) return undefined
  const [kind, id, address, requestId] = text.split(' ')
  if ((kind === 'person' || kind === 'program') && id && address && requestId)
    return { kind, id, address, requestId }
  throw new AppError('unauthenticated', `"${actorHeader}" must name kind, id, address and request`)
}

/** As it travels; none of its parts has a space. */
export const actorText = ({ kind, id, address, requestId }: Actor): string =>
  `${kind} ${id} ${address} ${requestId}`
