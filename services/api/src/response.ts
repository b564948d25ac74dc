import { z } from 'zod'

/**
 * The schema of an answer says how it is made from a service's message: `connection_id` is read
 * from `connectionId`, and what isn't named doesn't leave.
 */

type Message = Readonly<Record<string, unknown>>
type Reader = (message: Message, name: string) => unknown

/** Fields that are read in another way than by their own name. */
const readers = z.registry<{ read: Reader }>()

declare const source: unique symbol

/** A field that is read from a property with this suffix. */
interface ReadFrom<Suffix extends string, Value> {
  readonly [source]: readonly [Suffix, Value]
}

function readBy<Suffix extends string, Value>() {
  return <Schema extends z.ZodType>(schema: Schema, read: Reader) => {
    readers.add(schema, { read })
    return schema as Schema & ReadFrom<Suffix, Value>
  }
}

/** A time as ISO 8601; null when it is absent. */
export const time = readBy<'Ms', number | undefined>()(
  z.iso.datetime().nullable(),
  (message, name) => {
    const ms = message[`${name}Ms`] as number | undefined
    return ms === undefined ? null : new Date(ms).toISOString()
  },
)

/** A text; null when it is empty. */
export const textOrNull = readBy<'', string>()(
  z.string().nullable(),
  (message, name) => message[name] || null,
)

/** JSON as Meta has it; null when there is none. */
export const metaJson = readBy<'Json', string>()(z.unknown(), (message, name) =>
  message[`${name}Json`] ? JSON.parse(message[`${name}Json`] as string) : null,
)

/** Texts by name. */
export const textsByName = readBy<'Json', string>()(
  z.record(z.string(), z.string()),
  (message, name) => JSON.parse((message[`${name}Json`] as string) || '{}'),
)

/** A text that is only told while a condition holds, else null. */
export function textWhen(condition: (message: Message) => boolean) {
  return readBy<'', string>()(z.string().nullable(), (message, name) =>
    condition(message) ? message[name] : null,
  )
}

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name
type PropertyOf<Name extends string, Schema> =
  Schema extends ReadFrom<infer Suffix, unknown> ? `${Camel<Name>}${Suffix}` : Camel<Name>
type MayBeAbsent<Schema> =
  undefined extends SourceOf<Schema> ? true : Schema extends z.ZodObject ? true : false

/** What a schema of an answer is made from. */
export type SourceOf<Schema> =
  Schema extends ReadFrom<string, infer Value>
    ? Value
    : Schema extends z.ZodObject<infer Shape>
      ? {
          [Name in keyof Shape & string as MayBeAbsent<Shape[Name]> extends true
            ? never
            : PropertyOf<Name, Shape[Name]>]: SourceOf<Shape[Name]>
        } & {
          [Name in keyof Shape & string as MayBeAbsent<Shape[Name]> extends true
            ? PropertyOf<Name, Shape[Name]>
            : never]?: SourceOf<Shape[Name]> | undefined
        }
      : Schema extends z.ZodArray<infer Item>
        ? readonly SourceOf<Item>[]
        : Schema extends z.ZodNullable<infer Inner>
          ? SourceOf<Inner> | null | undefined
          : z.output<Schema & z.ZodType>

/** The JSON of an answer. */
export function encode<Schema extends z.ZodType>(
  schema: Schema,
  value: SourceOf<Schema>,
): z.output<Schema> {
  return encoded(schema, value) as z.output<Schema>
}

function encoded(schema: z.core.$ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodNullable)
    return value === undefined || value === null ? null : encoded(schema.unwrap(), value)
  if (schema instanceof z.ZodArray)
    return ((value ?? []) as unknown[]).map((item) => encoded(schema.element, item))
  if (!(schema instanceof z.ZodObject)) return value
  const message = (value ?? {}) as Message
  return Object.fromEntries(
    Object.entries(schema.shape).map(([name, field]) => {
      const property = camelCase(name)
      const read = readers.get(field as z.ZodType)?.read
      return [name, read ? read(message, property) : encoded(field, message[property])]
    }),
  )
}

const camelCase = (name: string): string =>
  name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** The `cursor` of the next page; null when this one was not full. */
export function nextCursor<Row>(
  rows: readonly Row[],
  limit: number,
  idOf: (row: Row) => string | number,
): string | null {
  return rows.length < limit ? null : String(idOf(rows.at(-1)!))
}
