import type { Problem } from '../gen/operations.ts'

/** The API's answer is a failure; `message` is its own words, with each wrong field. */
export class ApiError extends Error {
  readonly status: number
  /** Name of the failure, as the page at /docs explains it; `unreadable` when it is no problem. */
  readonly code: Problem['code'] | 'unreadable'
  readonly title: string
  readonly detail: string
  /** Each field that is wrong, when the code is `invalid`. */
  readonly errors: NonNullable<Problem['errors']>
  /** Found in the log of every service. */
  readonly requestId: string | undefined
  /** When the API wants to be asked again. */
  readonly retryAfterMs: number | undefined

  constructor(response: Response, problem: Partial<Problem>) {
    const { code = 'unreadable', title = 'The answer is not of this API', errors = [] } = problem
    const detail = problem.detail ?? `${response.url} answered ${response.status}`
    super(detail)
    this.name = 'ApiError'
    this.status = response.status
    this.code = code
    this.title = title
    this.detail = detail
    this.errors = errors
    this.requestId = problem.request_id ?? response.headers.get('x-request-id') ?? undefined
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : undefined
  }
}

/** The API did not answer: what was asked may have taken effect. */
export class ApiUnreachable extends Error {
  constructor(url: string, cause: unknown) {
    super(`${new URL(url).origin} did not answer: ${reasonOf(cause)}`, { cause })
    this.name = 'ApiUnreachable'
  }
}

/** `fetch` tells of a connection in the cause of its error, sometimes as several. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause !== undefined) return reasonOf(error.cause)
  const { code } = error as { code?: unknown }
  return error.message || (typeof code === 'string' ? code : error.name)
}
