import type { Schema } from '../../services/api/src/docs/api-document.ts'

export type Components = Readonly<Record<string, Schema>>

/** The same value before and after a change. */
export interface Pair<Value> {
  before: Value
  after: Value
}

/** Who sends the value: a caller may send what was allowed, and reads what it was told. */
type Direction = 'request' | 'response'

type Simple = Omit<Schema, '$ref' | 'anyOf' | 'oneOf' | 'type'> & { type: string }

/** What is compared, and where it stands. */
interface Comparison {
  direction: Direction
  components: Pair<Components>
  /** Pairs of references that are being compared: a schema may hold itself. */
  seen: ReadonlySet<string>
}

/** What breaks a caller, in words; `name` is what the value is called. */
export function schemaBreaks(
  { before, after }: Pair<Schema>,
  name: string,
  comparison: Comparison,
): string[] {
  const pair = `${before.$ref} ${after.$ref}`
  if (before.$ref && after.$ref && comparison.seen.has(pair)) return []
  const inner = { ...comparison, seen: new Set([...comparison.seen, pair]) }
  const old = alternatives(before, inner.components.before)
  const now = alternatives(after, inner.components.after)
  const isRequest = inner.direction === 'request'
  const [kept, possible] = isRequest ? [old, now] : [now, old]
  return kept.flatMap((one) => {
    const matching = possible.filter((other) => holds(other, one))
    if (matching.length === 0)
      return [`${name} ${isRequest ? 'may no longer be' : 'may now be'} ${one.type}`]
    const found = matching.map((other) =>
      simpleBreaks(
        isRequest ? { before: one, after: other } : { before: other, after: one },
        name,
        inner,
      ),
    )
    return found.toSorted((a, b) => a.length - b.length)[0]!
  })
}

/** What a value may be, one entry a type. */
function alternatives(schema: Schema, components: Components): Simple[] {
  const { $ref, anyOf, oneOf, type = 'any', ...rest } = schema
  if ($ref) return alternatives(components[$ref.split('/').at(-1)!]!, components)
  const choices = anyOf ?? oneOf
  if (choices) return choices.flatMap((choice) => alternatives(choice, components))
  const types = typeof type === 'string' ? [type] : type
  return types.map((one) => ({ ...rest, type: one }))
}

/** Whether each value of one type is one of the other. */
const holds = (wide: Simple, narrow: Simple): boolean =>
  wide.type === 'any' ||
  wide.type === narrow.type ||
  (wide.type === 'number' && narrow.type === 'integer')

function simpleBreaks(pair: Pair<Simple>, name: string, comparison: Comparison): string[] {
  return [
    ...valueBreaks(pair, name, comparison.direction),
    ...(comparison.direction === 'request' ? boundBreaks(pair, name) : []),
    ...fieldBreaks(pair, name, comparison),
    ...innerBreaks(pair, name, comparison),
  ]
}

/** The name of a field within a value. */
const fieldOf = (name: string, field: string): string => `${name}.${field}`

const valuesOf = ({ enum: values, const: only }: Simple): readonly unknown[] | undefined =>
  values ?? (only === undefined ? undefined : [only])

/** Further values of a response are no break: clients are told to expect them. */
function valueBreaks(
  { before, after }: Pair<Simple>,
  name: string,
  direction: Direction,
): string[] {
  const [old, now] = [valuesOf(before), valuesOf(after)]
  const found: string[] = []
  if (direction === 'response') {
    if (old && !now) found.push(`${name} was one of a list, and may now be any ${after.type}`)
  } else if (now) {
    const gone = old?.filter((value) => !now.includes(value))
    if (!old) found.push(`${name} must now be one of ${JSON.stringify(now)}`)
    else if (gone!.length > 0)
      found.push(
        `${name} may no longer be ${gone!.map((value) => JSON.stringify(value)).join(', ')}`,
      )
  }
  const stricter = direction === 'request' ? after : before
  for (const rule of ['format', 'pattern'] as const)
    if (stricter[rule] !== undefined && before[rule] !== after[rule])
      found.push(
        `${name} had the ${rule} ${before[rule] ?? 'any'}, and now ${after[rule] ?? 'any'}`,
      )
  return found
}

const least = ['minimum', 'minLength', 'minItems'] as const
const most = ['maximum', 'maxLength', 'maxItems'] as const

function boundBreaks({ before, after }: Pair<Simple>, name: string): string[] {
  const raised = least.filter((rule) => (after[rule] ?? -Infinity) > (before[rule] ?? -Infinity))
  const lowered = most.filter((rule) => (after[rule] ?? Infinity) < (before[rule] ?? Infinity))
  return [...raised, ...lowered].map(
    (rule) => `${name} had the ${rule} ${before[rule] ?? 'any'}, and now ${after[rule]}`,
  )
}

/** Bodies and queries of requests are strict: a field that is gone is refused. */
function fieldBreaks(
  { before, after }: Pair<Simple>,
  name: string,
  comparison: Comparison,
): string[] {
  const [old, now] = [before.properties ?? {}, after.properties ?? {}]
  const found = Object.keys(old)
    .filter((field) => !(field in now))
    .map((field) => `${fieldOf(name, field)} is gone`)
  const must = ({ required = [] }: Simple, field: string) => required.includes(field)
  for (const field of Object.keys(now)) {
    if (comparison.direction === 'request' && must(after, field) && !must(before, field))
      found.push(`${fieldOf(name, field)} must now be there`)
    if (!(field in old)) continue
    if (comparison.direction === 'response' && must(before, field) && !must(after, field))
      found.push(`${fieldOf(name, field)} may now be absent`)
    const pair = { before: old[field]!, after: now[field]! }
    found.push(...schemaBreaks(pair, fieldOf(name, field), comparison))
  }
  return found
}

/** Of the entries of lists and of objects with free names. */
function innerBreaks(
  { before, after }: Pair<Simple>,
  name: string,
  comparison: Comparison,
): string[] {
  const entries = [
    [before.items, after.items, `${name}[]`],
    [objectOf(before), objectOf(after), `${name}.*`],
  ] as const
  return entries.flatMap(([old, now, entry]) => {
    if (old && now) return schemaBreaks({ before: old, after: now }, entry, comparison)
    return old ? [`${entry} is gone`] : []
  })
}

const objectOf = ({ additionalProperties: schema }: Simple): Schema | undefined =>
  typeof schema === 'object' ? schema : undefined
