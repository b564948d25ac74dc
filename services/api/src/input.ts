import { Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { z } from 'zod'

/** Fields of requests; an error's message follows the field's name. */

/** A text of Unicode characters that PostgreSQL keeps: no U+0000, no half of a surrogate pair. */
const storable = (value: z.ZodString) =>
  value
    .refine((text) => !text.includes('\0'), 'must not contain the character U+0000')
    .refine((text) => text.isWellFormed(), 'must not contain half of a surrogate pair')

/** A text that may be empty, as it is. */
export const anyText = (maxLength: number) =>
  storable(
    z
      .string({ error: 'must be a text' })
      .max(maxLength, { error: `must have at most ${maxLength} characters`, abort: true }),
  )

/** A text that must be there, trimmed. */
export function text(maxLength = 512) {
  const error = `must be a text of 1 to ${maxLength} characters`
  return storable(
    z
      .string({ error })
      .trim()
      .min(1, { error, abort: true })
      .max(maxLength, { error, abort: true }),
  )
}

export function whole(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error, abort: true }).max(max, { error })
}

/** How a whole number in a query string is described. */
const wholeNumber = (min: number, max: number, more: object = {}) => ({
  ...{ type: 'integer' as const, minimum: min, maximum: max, pattern: undefined },
  ...more,
})

/** A whole number in a query string. */
export function wholeText(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z
    .string({ error })
    .regex(/^\d{1,16}$/, { error, abort: true })
    .transform(Number)
    .refine((value) => value >= min && value <= max, error)
    .meta({ override: wholeNumber(min, max) })
}

/** A time as ISO 8601, as ms of the epoch. */
export const timeText = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-12-24T18:00:00Z' })
  .transform(Date.parse)

export function oneOf<const Names extends readonly string[]>(names: Names) {
  return z.enum(names, { error: `must be one of ${names.join(', ')}` })
}

/** Any uuid: whether there is such a row, and whose it is, is said by the service that owns it. */
export const id = z.uuid({ error: 'must be an id' }).toLowerCase()

/** An id of rows that are counted up: digits. */
export const serial = z
  .string({ error: 'must be an id: digits, as a text' })
  .regex(/^\d{1,18}$/, 'must be an id: digits, as a text')

const metaIdError = 'must be an id at Meta: digits, as a text'

/** The id of an app, a WABA or a number at Meta. */
export const metaId = z.string({ error: metaIdError }).regex(/^\d{1,32}$/, metaIdError)

/** A field in hours is told to services in ms. */
export const hourMs = 3_600_000

/** The size of a page, when the request names none. */
const defaultLimit = 100

/** Query of a list: `cursor` is the `next_cursor` of the page before. */
export function page<Cursor extends z.ZodType>(cursor: Cursor, maxLimit: number) {
  const described = wholeNumber(1, maxLimit, { default: defaultLimit })
  const limit = wholeText(1, maxLimit).default(defaultLimit).meta({ override: described })
  return { cursor: cursor.optional(), limit }
}

/** The id in a path; the service that owns the row says whether there is one. */
export const idParams = z.strictObject({ id: z.string() })

/** A request without fields. */
export const nothing = z.strictObject({})

/**
 * A country by its two letters; whether there is such a one is said by the service that reads
 * numbers.
 */
export const country = z
  .string({ error: 'must be the two letters of a country, such as DE' })
  .regex(/^[A-Za-z]{2}$/, 'must be the two letters of a country, such as DE')
  .toUpperCase()

/** A body that is handed on as it arrives. */
export const csvFile = z.instanceof(Readable, {
  error: 'must be the CSV file, sent with "Content-Type: text/csv"',
})

/** A part of a request, as its errors name it. */
type Part = 'path' | 'query' | 'body'

/** What is wrong with one field; `field` is absent when it is the whole part. */
export interface FieldError {
  in: Part
  field?: string
  detail: string
}

/** A request that does not fit its route's schemas. */
export class InvalidInput extends AppError {
  readonly errors: readonly FieldError[]

  constructor(errors: readonly FieldError[]) {
    const named = errors.map(({ field, detail }) => (field ? `"${field}" ${detail}` : detail))
    super('invalid', named.join('; '))
    this.errors = errors
  }
}

/** Parses a part of a request; throws `InvalidInput`. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  part: Part,
): z.infer<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new InvalidInput(parsed.error.issues.map((issue) => errorOf(issue, schema, part)))
}

function errorOf(issue: z.core.$ZodIssue, schema: z.ZodType, part: Part): FieldError {
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => `"${key.slice(0, 64)}"`).join(', ')
    const fields = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
    const known = fields.length > 0 && issue.path.length === 0
    const detail = `The ${part} has no field ${unknown}${known ? `; its fields are ${fields.join(', ')}` : ''}`
    return { in: part, detail }
  }
  if (issue.path.length > 0) return { in: part, field: issue.path.join('.'), detail: issue.message }
  const isNoObject = issue.code === 'invalid_type' && issue.expected === 'object'
  return { in: part, detail: `The ${part} ${isNoObject ? 'must be a JSON object' : issue.message}` }
}

/** Longer than `accounts` waits for Meta, so that Meta's answer arrives here. */
export const metaTimeoutMs = 15_000
