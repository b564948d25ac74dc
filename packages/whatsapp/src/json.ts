import { AppError, cleanText } from '@lockstep/contracts'

/**
 * Meta's own bodies nest about a dozen levels; far more than that is an attack on the parser or on
 * whoever walks the value.
 */
const maxDepth = 64

const quote = 0x22
const backslash = 0x5c

interface RawJson {
  readonly rawJSON: string
}

/** ES2025 JSON source text access, in Node since 22; TypeScript's library does not know it yet. */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): RawJson
  isRawJSON(value: unknown): value is RawJson
}

/**
 * A value is about what stands between two commas. Meta's largest batch, 1,000 updates
 * (meta-cloud-api.md §1), holds some 30,000; 3 MB of `{},{},…` would take a second.
 */
const maxValues = { plain: 150_000, withCare: 50_000 }

/** Why a text was not parsed: it is JSON, perhaps, but of too many values. */
export class TooManyValues extends AppError {}

/**
 * Parses JSON; a number that a double can't hold stays raw, and `JSON.stringify` writes it as it
 * was. Throws AppError `invalid`, and TooManyValues unless `isUnbounded`.
 */
export function parseLossless(raw: Buffer, { isUnbounded = false } = {}): unknown {
  const { depth, care, values } = scan(raw)
  const most = care ? maxValues.withCare : maxValues.plain
  if (values > most && !isUnbounded)
    throw new TooManyValues('too_large', `The JSON holds more than ${most} values`)
  if (depth > maxDepth)
    throw new AppError('invalid', `The JSON nests more than ${maxDepth} levels deep`)
  try {
    const text = raw.toString('utf8')
    return care ? json.parse(text, keepDigits) : JSON.parse(text)
  } catch (error) {
    throw new AppError('invalid', 'The body is not JSON', { cause: error })
  }
}

function keepDigits(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value
  return String(value) === context.source ? value : json.rawJSON(context.source)
}

/**
 * One pass over the bytes: the deepest nesting, about how many values there are, and whether a
 * number outside quotes may not fit a double.
 */
function scan(raw: Buffer): { depth: number; care: boolean; values: number } {
  let values = 0
  let level = 0
  let depth = 0
  let digits = 0
  let care = false
  for (let i = 0; i < raw.length; i++) {
    const byte = raw[i]!
    if (byte === quote) {
      i = endOfString(raw, i + 1)
      digits = 0
    } else if (byte >= 0x30 && byte <= 0x39) {
      if (++digits >= 16) care = true
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++level > depth) depth = level
      values++
      digits = 0
    } else if (byte === 0x7d || byte === 0x5d) {
      level--
      digits = 0
    } else if ((byte | 0x20) === 0x65 && digits > 0) {
      care = true
    } else if (byte !== 0x2e) {
      if (byte === 0x2c) values++
      digits = 0
    }
  }
  return { depth, care, values }
}

/**
 * Index of the quote that closes the string whose content starts at `i`, or the end of the bytes.
 */
function endOfString(raw: Buffer, start: number): number {
  let i = start
  while (i < raw.length && raw[i] !== quote) i += raw[i] === backslash ? 2 : 1
  return i
}

export type JsonObject = Record<string, unknown>

/** True for a JSON object: not null, not an array, not a number kept as raw JSON. */
export function isObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !json.isRawJSON(value)
  )
}

/**
 * The value as an object, or an empty one: for reading optional nodes of a body that may have any
 * shape.
 */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** The value as a list, or an empty one. */
export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/**
 * An id or text that Meta writes as a string in one place and as a number in another, cleaned;
 * undefined for anything else.
 */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value === 'number') return String(value)
  return json.isRawJSON(value) ? value.rawJSON : undefined
}

/**
 * The longest that Meta is seen to give has about 130 characters; no index could hold one of
 * thousands.
 */
const maxIdLength = 512

/** An id of Meta's; undefined for what is none, or longer than any can be. */
export function idOf(value: unknown): string | undefined {
  const id = textOf(value)
  return id !== undefined && id.length <= maxIdLength ? id : undefined
}

/** A parsed value as PostgreSQL's jsonb takes it: every text cleaned, numbers past 2^53 as text. */
export function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (Array.isArray(value)) return value.map(cleanJson)
  if (json.isRawJSON(value)) return value.rawJSON
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [cleanText(key), cleanJson(item)]),
  )
}

/**
 * Unix seconds, as a string or a number (Meta uses both), in milliseconds; null for anything else.
 */
export function timestampMsOf(value: unknown): number | null {
  const text = textOf(value)
  return text !== undefined && /^\d{1,11}$/.test(text) ? Number(text) * 1000 : null
}
