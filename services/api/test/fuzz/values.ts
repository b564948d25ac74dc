import fc from 'fast-check'
import { z } from 'zod'

/** Values that exist, by the names of their fields. */
export type Known = Readonly<Record<string, readonly string[]>>

interface JsonSchema {
  type?: string
  format?: string
  pattern?: string
  enum?: unknown[]
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  items?: JsonSchema
  anyOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean | JsonSchema
}

const mostItems = 5
const mostCharacters = 40

/** Values that a schema takes; of fields that are known, what exists as often as what does not. */
export function valuesOf(schema: z.ZodType, known: Known = {}): fc.Arbitrary<unknown> {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return made(json, known, '').filter((value) => schema.safeParse(value).success)
}

function made(schema: JsonSchema, known: Known, name: string): fc.Arbitrary<unknown> {
  const { anyOf, items, properties, additionalProperties, type } = schema
  if (anyOf) return fc.oneof(...anyOf.map((one) => made(one, known, name)))
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (items) {
    const bounds = { minLength: schema.minItems ?? 0, maxLength: mostItems }
    return fc.array(made(items, known, name), bounds)
  }
  if (properties) {
    const fields = Object.entries(properties).map(([key, one]) => [key, made(one, known, key)])
    const requiredKeys = (schema.required ?? []) as never[]
    return fc.record(Object.fromEntries(fields), { requiredKeys, noNullPrototype: true })
  }
  if (typeof additionalProperties === 'object')
    return fc.dictionary(fc.string(), made(additionalProperties, known, name), { maxKeys: 5 })
  const { minimum: min, maximum: max } = schema
  if (type === 'integer') return fc.integer({ min: min ?? 0, max: max ?? 1_000_000 })
  if (type === 'number') return fc.double({ noNaN: true, noDefaultInfinity: true })
  if (type === 'boolean') return fc.boolean()
  if (type === 'null') return fc.constant(null)
  if (type === 'string') return text(schema, known[name] ?? [])
  throw new Error(`No values can be made for ${JSON.stringify(schema)}`)
}

/** Numbers in queries have a range that their pattern does not tell. */
const smallNumber = fc.integer({ min: 0, max: 200 }).map(String)

function text(schema: JsonSchema, known: readonly string[]): fc.Arbitrary<unknown> {
  const others = strangeText(schema)
  return known.length === 0 ? others : fc.oneof(fc.constantFrom(...known), others)
}

function strangeText({ format, pattern, minLength = 0, maxLength = 512 }: JsonSchema) {
  if (format === 'uuid') return fc.uuid()
  if (format === 'date-time')
    return fc
      .date({
        min: new Date('0001-01-01'),
        max: new Date('9999-12-31T23:59:59Z'),
        noInvalidDate: true,
      })
      .map((date) => date.toISOString())
  if (pattern) return fc.oneof(smallNumber, fc.stringMatching(new RegExp(pattern)))
  const units = ['grapheme', 'binary', 'grapheme-ascii'] as const
  const short = { minLength, maxLength: Math.min(maxLength, mostCharacters) }
  return fc.oneof(
    ...units.map((unit) => fc.string({ ...short, unit })),
    fc.constantFrom('Ä'.repeat(maxLength), '𝄞'.repeat(maxLength / 2)),
    fc.constantFrom(
      '\u202e\u200b\ufeff',
      '../..',
      '%00',
      '{{name}}',
      '{{',
      "' or 1=1 --",
      '.',
      '..',
    ),
  )
}

const deep = (levels: number): unknown => {
  let value: unknown = 'x'
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { a: value }
  return value
}

/** What no field of a request is meant to be. */
export const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary' }),
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(Number),
  fc.constantFrom<unknown>(
    ...[null, true, '', ' ', [], {}, [[]], [null], 0, -0, -1, 0.5, 1e300, 2 ** 53],
    ...['\0', 'a\0b', '\ud800', '\udfff\ud800', 'a\ud800b', '\ufffe\uffff', '\u202e'],
    ...['__proto__', 'constructor', 'x'.repeat(65_536), '𝄞'.repeat(16_384)],
    ...['\r\nX-Injected: 1', 'Infinity', 'NaN', '9'.repeat(18), '0001-01-01T00:00:00Z'],
    ...[deep(50), deep(2_000)],
    ...[{ length: 1e9 }, { toString: 1 }, { $gt: '' }],
  ),
)
