/** How a failure leaves by gRPC and by HTTP, and whether the caller may try the same again. */
export interface FailureRow {
  /** google.rpc.Code number. */
  grpc: number
  /** HTTP status of the public API. */
  http: number
  /** What it says in general, for people; `message` of an error says it in particular. */
  title: string
  /** What a caller of the public API does about it, in Markdown's code spans and plain text. */
  advice: string
  /** True when the same call can succeed later without being changed. */
  retry: boolean
}

/** The closed list of ways in which a call can fail; no other statuses leave a service. */
export const failures = {
  invalid: {
    grpc: 3,
    http: 400,
    title: 'The request is not as it must be',
    advice: 'Mend what `errors` names: the same request would fail again.',
    retry: false,
  },
  unauthenticated: {
    grpc: 16,
    http: 401,
    title: 'It is not known who asks',
    advice: 'Send a key that is neither withdrawn nor past its end.',
    retry: false,
  },
  forbidden: {
    grpc: 7,
    http: 403,
    title: 'Who asks may not do this',
    advice: 'Ask with a key that has the right that `detail` names.',
    retry: false,
  },
  not_found: {
    grpc: 5,
    http: 404,
    title: 'There is no such thing',
    advice: 'Look at the id. What belongs to another account is not found either.',
    retry: false,
  },
  conflict: {
    grpc: 10,
    http: 409,
    title: 'It does not fit what is there or under way',
    advice: 'Read what is there, then decide again.',
    retry: false,
  },
  precondition: {
    grpc: 9,
    http: 422,
    title: 'Something has to be done first',
    advice: 'Do what `detail` names, then send the request again.',
    retry: false,
  },
  too_large: {
    grpc: 11,
    http: 413,
    title: 'The request is too large',
    advice: 'Send less at once.',
    retry: false,
  },
  throttled: {
    grpc: 8,
    http: 429,
    title: 'Too much at once',
    advice: 'Nothing was done. Send it again after the seconds that `Retry-After` names.',
    retry: true,
  },
  busy: {
    grpc: 14,
    http: 503,
    title: 'Not possible for a moment',
    advice: 'It may have taken effect: send it again with the same `Idempotency-Key`.',
    retry: true,
  },
  timeout: {
    grpc: 4,
    http: 504,
    title: 'It took too long',
    advice: 'It may have taken effect: send it again with the same `Idempotency-Key`.',
    retry: true,
  },
  internal: {
    grpc: 13,
    http: 500,
    title: 'Something went wrong inside',
    advice:
      'It may have taken effect: send it again with the same `Idempotency-Key`. If that fails too, tell the operator the `request_id`.',
    retry: false,
  },
} as const satisfies Record<string, FailureRow>

export type Failure = keyof typeof failures

/** `message` is for the caller; `cause` and `details` are for our logs. */
export class AppError extends Error {
  readonly failure: Failure
  /** Structured facts for logs, e.g. ids. Never secrets, never shown to the caller. */
  readonly details: Record<string, unknown>

  constructor(
    failure: Failure,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'AppError'
    this.failure = failure
    this.details = options.details ?? {}
  }
}

/** A limit of ours or Meta's is used up. */
export class Throttled extends AppError {
  /** When to try again, if that is known. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, retryAfterMs?: number, details: Record<string, unknown> = {}) {
    super('throttled', message, { details: { ...details, retryAfterMs } })
    this.retryAfterMs = retryAfterMs
  }
}

/** A newer holder may have the lock of this work; the work may be done again. */
export class LockLost extends AppError {
  constructor(keys: readonly string[], reason: string, message: string) {
    super('conflict', message, { details: { keys, reason } })
  }
}

/** A call that certainly had no effect: there was no connection to send it on. */
export class CallNotSent extends AppError {
  constructor(path: string) {
    super('busy', 'A service that this needs is away; try again', { details: { path } })
  }
}

/** The failure of anything thrown: an AppError's own, otherwise `internal`. */
export function failureOf(error: unknown): Failure {
  return error instanceof AppError ? error.failure : 'internal'
}

/** What a caller is told of anything thrown; what isn't an AppError is for the log only. */
export function messageOf(error: unknown): string {
  return error instanceof AppError
    ? error.message
    : "Internal error; the service's log has the cause"
}
