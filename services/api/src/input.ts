import { Readable } from 'node:stream'
import { AppError } from '@lockstep/contracts'
import { z } from 'zod'

/** Fields of requests; an error's message follows the field's name. */

/** A text that must be there, trimmed. PostgreSQL keeps no U+0000. */
export function text(maxLength = 512) {
  const error = `must be a text of 1 to ${maxLength} characters`
  return z
    .string({ error })
    .trim()
    .min(1, { error, abort: true })
    .max(maxLength, { error, abort: true })
    .refine((value) => !value.includes('\0'), 'must not contain the character U+0000')
}

export function whole(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error, abort: true }).max(max, { error })
}

/** A whole number in a query string. */
export function wholeText(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z
    .string({ error })
    .regex(/^\d{1,16}$/, { error, abort: true })
    .transform(Number)
    .refine((value) => value >= min && value <= max, error)
}

export function oneOf<const Names extends readonly string[]>(names: Names) {
  return z.enum(names, { error: `must be one of ${names.join(', ')}` })
}

/** Any uuid: whether there is such a row, and whose it is, is said by the service that owns it. */
export const id = z.uuid({ error: 'must be an id' }).toLowerCase()

/** An id of rows that are counted up: digits. */
export const serial = z
  .string({ error: 'must be an id: digits, as a text' })
  .regex(/^\d{1,18}$/, 'must be an id: digits, as a text')

/** The size of a page, when the request names none. */
const defaultLimit = 100

/** Query of a list: `after` is the last id of the page before. */
export function page<After extends z.ZodType<string, string>>(after: After, maxLimit: number) {
  return { after: after.optional(), limit: wholeText(1, maxLimit).default(defaultLimit) }
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

/** Parses a part of a request; throws `invalid` naming each wrong field and what it must be. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  part: 'path' | 'query' | 'body',
): z.infer<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new AppError(
    'invalid',
    parsed.error.issues.map((issue) => faultOf(issue, schema, part)).join('; '),
  )
}

function faultOf(issue: z.core.$ZodIssue, schema: z.ZodType, part: string): string {
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => `"${key.slice(0, 64)}"`).join(', ')
    const fields = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
    return `The ${part} has no field ${unknown}${fields.length > 0 && issue.path.length === 0 ? `; its fields are ${fields.join(', ')}` : ''}`
  }
  if (issue.path.length > 0) return `"${issue.path.join('.')}" ${issue.message}`
  return `The ${part} ${issue.code === 'invalid_type' && issue.expected === 'object' ? 'must be a JSON object' : issue.message}`
}
