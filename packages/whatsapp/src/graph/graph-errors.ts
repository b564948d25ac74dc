import {
  type GraphErrorRow,
  maybeSent,
  rejected,
  stop,
  throttle,
  unknown,
} from './graph-error-row.ts'
import { graphErrorRanges, graphErrors } from './graph-error-table.ts'

/** An error's row with the code it was read from; `code` is null when the answer held none. */
export interface ClassifiedError extends GraphErrorRow {
  code: number | null
}

/**
 * Meta's codes come as numbers, and as strings in some pages (template-pacing): a number of 32
 * bits, or null for anything else.
 */
export function codeOf(value: unknown): number | null {
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value : null
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : null
}

/**
 * By its code first, by the HTTP status only when the code is missing or not known; without either
 * `rejected`. `subcode` matters for code 100 only.
 */
export function classifyGraphError(
  code: unknown,
  httpStatus?: number,
  subcode?: unknown,
): ClassifiedError {
  const number = codeOf(code)
  const row = number === null ? undefined : rowOf(number, codeOf(subcode))
  return { code: number, ...(row ?? byStatus(number, httpStatus)) }
}

const secretRefused = stop(
  'Meta refuses the app secret that goes with this call: it was changed at Meta. Store the new one as the secret of the app (POST /v1/apps/:id/rotate-secret); campaigns can then be resumed.',
)

/**
 * The row of a refused `appsecret_proof`. Meta gives it the code 100 of a wrong parameter and no
 * subcode: only its sentence tells that it is about everybody's message.
 */
export const proofError = (code: unknown, message: unknown): ClassifiedError | undefined =>
  codeOf(code) === 100 && typeof message === 'string' && message.includes('appsecret_proof')
    ? { code: 100, ...secretRefused }
    : undefined

/** Our message with what Meta says beside it. */
export const withDetails = (message = '', details = ''): string =>
  [message, details].filter(Boolean).join(' Meta says: ')

/** Which of these codes say that the recipient may not be written to any more, each once. */
export function refusalCodes(codes: readonly (number | null | undefined)[]): number[] {
  return [...new Set(codes)].flatMap((code) => {
    if (code == null) return []
    const { optOut, blocked } = classifyGraphError(code)
    return optOut || blocked ? [code] : []
  })
}

function rowOf(code: number, subcode: number | null): GraphErrorRow | undefined {
  const narrower = code === 100 && subcode !== null ? graphErrors[subcode] : undefined
  return (
    narrower ??
    graphErrors[code] ??
    graphErrorRanges.find((range) => code >= range.from && code <= range.to)?.row
  )
}

function byStatus(code: number | null, status: number | undefined): GraphErrorRow {
  const name = `${code === null ? 'an error without a code' : `error ${code}`}${status === undefined ? '' : ` (HTTP ${status})`}`
  if (status === undefined) return rejected(`Meta answered with ${name}. See its details.`)
  if (code === null && status === 429)
    return throttle('Too many calls to Meta. Sending goes on more slowly by itself.')
  // 408 speaks of a request that was not read to its end, or of one that was and took too long.
  const refused = status >= 400 && status < 500 && status !== 408
  return refused
    ? rejected(`Meta refused it with ${name}. See its details.`)
    : unknown(`Meta answered with ${name}. ${maybeSent}`)
}
