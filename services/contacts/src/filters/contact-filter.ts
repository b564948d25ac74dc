import { AppError, contactSources } from '@lockstep/contracts'
import { type Attribute, readValue, type TypedValue, typedValue } from '../attributes/attribute.ts'
import { readLanguage } from '../fields/contact-fields.ts'
import { phoneIdentity } from '../identities/identity.ts'
import { parsePhone } from '../imports/phone.ts'
import { daysAgo } from './days-ago.ts'

/** Fields of a contact with one text. */
const textFields = ['name', 'phone', 'email', 'language', 'source'] as const
type TextField = (typeof textFields)[number]
const flagFields = ['opted_out', 'blocked'] as const
const timeFields = ['created_at', 'last_inbound_at'] as const

/** What a contact must be, as it is understood: texts are as they are kept, and days are times. */
export type Condition =
  | { kind: 'and' | 'or'; conditions: Condition[] }
  | { kind: 'not'; condition: Condition }
  | { kind: 'text'; field: TextField; values: string[] }
  | { kind: 'number'; matchKeys: string[] }
  | { kind: 'has text'; field: TextField }
  | { kind: 'tag'; tags: string[] }
  | { kind: 'flag'; field: (typeof flagFields)[number]; value: boolean }
  | { kind: 'time'; field: (typeof timeFields)[number]; from?: Date; until?: Date }
  | { kind: 'attribute'; attribute: Attribute; test: AttributeTest }

/** A value that is one of some, not less, not more, or any. */
export type AttributeTest =
  | { op: 'in'; values: TypedValue[]; texts: string[] }
  | { op: 'at_least' | 'at_most'; value: TypedValue }
  | { op: 'is_set' }

/** Whom a filter means; it never means everybody unless it says so. */
export type ContactFilter = { everybody: true } | { everybody: false; where: Condition }

/** What a filter is read with. */
export interface FilterReading {
  attributes: ReadonlyMap<string, Attribute & { isIndexing: boolean }>
  now: Date
  /** Of the account: its days begin by it. */
  timeZone: string
}

const maxLength = 8_000
const maxDepth = 6
const maxConditions = 100
const maxValues = 100
const maxDays = 3_650

/** Reads a filter as its JSON says. Throws `invalid` with the place of what is wrong. */
export function readContactFilter(json: string, reading: FilterReading): ContactFilter {
  if (json.length > maxLength)
    throw new AppError('invalid', `The filter has more than ${maxLength} characters`)
  const { version, everybody, where, ...others } = object(parse(json), 'filter')
  unknown(others, 'filter', 'version, everybody, where')
  if (version !== 1) refuse('filter.version', 'must be 1')
  if (everybody === true && where === undefined) return { everybody: true }
  if (everybody !== undefined) refuse('filter.everybody', 'must be true, and stand without "where"')
  if (where === undefined)
    refuse('filter', 'is empty, and means nobody: name "where", or "everybody": true')
  return { everybody: false, where: new Reader(reading).read(where, 'filter.where', 1) }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json, requireStorable)
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw new AppError('invalid', 'The filter is no JSON', { cause })
  }
}

/** No text of a contact holds what PostgreSQL does not keep. */
function requireStorable(name: string, value: unknown): unknown {
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed()))
    refuse(name, 'must hold neither the character U+0000 nor half of a surrogate pair')
  return value
}

function refuse(place: string, reason: string): never {
  throw new AppError('invalid', `"${place.slice(0, 128)}" ${reason}`)
}

function object(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(place, 'must be an object')
  return value as Record<string, unknown>
}

function unknown(others: object, place: string, known: string): void {
  const [name] = Object.keys(others)
  if (name !== undefined)
    refuse(place, `has no field "${name.slice(0, 64)}"; its fields are ${known}`)
}

const fieldNames = [...textFields, 'tag', ...flagFields, ...timeFields]

/** Reads conditions, and counts them. */
class Reader {
  readonly #reading: FilterReading
  #conditions = 0

  constructor(reading: FilterReading) {
    this.#reading = reading
  }

  read(value: unknown, place: string, depth: number): Condition {
    if (depth > maxDepth) refuse(place, `stands deeper than ${maxDepth} levels`)
    if (++this.#conditions > maxConditions)
      throw new AppError('invalid', `The filter has more than ${maxConditions} conditions`)
    const given = object(value, place)
    const { and, or, not, ...leaf } = given
    const groups = Object.keys(given).filter((name) => ['and', 'or', 'not'].includes(name))
    if (groups.length === 0) return this.#readLeaf(leaf, place)
    if (Object.keys(given).length > 1)
      refuse(place, 'must have one of "and", "or" and "not", and nothing beside it')
    if (not !== undefined)
      return { kind: 'not', condition: this.read(not, `${place}.not`, depth + 1) }
    const kind = and === undefined ? 'or' : 'and'
    const list = and ?? or
    if (!Array.isArray(list) || list.length === 0)
      refuse(`${place}.${kind}`, 'must be a list of at least one condition')
    const conditions = (list as unknown[]).map((one, at) =>
      this.read(one, `${place}.${kind}.${at}`, depth + 1),
    )
    return { kind, conditions }
  }

  #readLeaf(leaf: Record<string, unknown>, place: string): Condition {
    const { field, attribute, op, value, ...others } = leaf
    unknown(others, place, 'and, or, not, field, attribute, op, value')
    if (attribute !== undefined) {
      if (field !== undefined) refuse(place, 'must name a field or an attribute, not both')
      return this.#readAttribute(attribute, op, value, place)
    }
    const [text, flag, time] = [
      find(textFields, field),
      find(flagFields, field),
      find(timeFields, field),
    ]
    if (text) return readText(text, op, value, place)
    if (field === 'tag') return { kind: 'tag', tags: readTexts(op, value, place) }
    if (flag) {
      if (op !== 'is' || typeof value !== 'boolean')
        refuse(place, 'must have the op "is" and the value true or false')
      return { kind: 'flag', field: flag, value: value as boolean }
    }
    if (time) return this.#readTime(time, op, value, place)
    return refuse(`${place}.field`, `must be one of ${fieldNames.join(', ')}`)
  }

  #readTime(
    field: (typeof timeFields)[number],
    op: unknown,
    value: unknown,
    place: string,
  ): Condition {
    const { now, timeZone } = this.#reading
    if (op === 'is_set') return { kind: 'time', field }
    if (op === 'in_last_days') {
      if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > maxDays)
        refuse(`${place}.value`, `must be a whole number of days from 1 to ${maxDays}`)
      return { kind: 'time', field, from: daysAgo(now, timeZone, (value as number) - 1) }
    }
    if (op !== 'from' && op !== 'until')
      refuse(`${place}.op`, 'must be one of from, until, in_last_days, is_set')
    if (typeof value !== 'string' || !timePattern.test(value) || Number.isNaN(Date.parse(value)))
      refuse(`${place}.value`, 'must be a time such as 2026-12-24T18:00:00Z')
    return { kind: 'time', field, [op as 'from']: new Date(value as string) }
  }

  #readAttribute(name: unknown, op: unknown, value: unknown, place: string): Condition {
    const attribute = this.#reading.attributes.get(String(name))
    if (typeof name !== 'string' || !attribute)
      return refuse(
        `${place}.attribute`,
        'must be the name of an attribute that has a type; GET /v1/contact-attributes lists them',
      )
    if (attribute.isIndexing)
      throw new AppError(
        'precondition',
        `The contacts with "${name}" are still being looked up; try again in a minute`,
      )
    return { kind: 'attribute', attribute, test: readTest(attribute, op, value, place) }
  }
}

/** With a zone: years of four digits are the same for PostgreSQL. */
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/

const find = <Name extends string>(names: readonly Name[], name: unknown): Name | undefined =>
  names.find((one) => one === name)

function readText(field: TextField, op: unknown, value: unknown, place: string): Condition {
  if (op === 'is_set') return { kind: 'has text', field }
  const texts = readTexts(op, value, place, ', is_set')
  if (field === 'phone')
    return { kind: 'number', matchKeys: texts.map((text) => readNumber(text, place)) }
  return { kind: 'text', field, values: texts.map((text) => readField(field, text, place)) }
}

/** What numbers are compared by. */
function readNumber(text: string, place: string): string {
  const phone = parsePhone(text)
  return 'digits' in phone
    ? phoneIdentity(phone.digits).matchKey
    : refuse(`${place}.value`, phone.reason)
}

/** As it is kept of a contact. */
function readField(field: TextField, text: string, place: string): string {
  if (field === 'language') return readLanguage(text)
  if (field === 'source' && !find(contactSources, text))
    return refuse(`${place}.value`, `must be one of ${contactSources.join(', ')}`)
  return text
}

/** The texts of `is` and `in`. */
function readTexts(op: unknown, value: unknown, place: string, more = ''): string[] {
  if (op !== 'is' && op !== 'in') refuse(`${place}.op`, `must be one of is, in${more}`)
  const values: unknown[] = op === 'is' ? [value] : Array.isArray(value) ? value : []
  const areTexts = values.every((one) => typeof one === 'string' && one !== '' && one.length <= 256)
  if (values.length === 0 || values.length > maxValues || !areTexts)
    refuse(
      `${place}.value`,
      op === 'is'
        ? 'must be a text of 1 to 256 characters'
        : `must be a list of 1 to ${maxValues} texts of 1 to 256 characters`,
    )
  return [...new Set(values as string[])]
}

function readTest(attribute: Attribute, op: unknown, value: unknown, place: string): AttributeTest {
  if (op === 'is_set') return { op }
  const hasOrder = attribute.type === 'number' || attribute.type === 'date'
  const ops = ['is', 'in', ...(hasOrder ? ['at_least', 'at_most'] : []), 'is_set']
  if (typeof op !== 'string' || !ops.includes(op))
    refuse(`${place}.op`, `must be one of ${ops.join(', ')} for the type ${attribute.type}`)
  const read = (one: unknown) => {
    if (!['string', 'number', 'boolean'].includes(typeof one))
      refuse(`${place}.value`, 'must be a value, or a list of values with the op "in"')
    const kept = readValue(attribute, String(one))
    if ('reason' in kept) return refuse(`${place}.value`, kept.reason)
    return { text: kept.value, value: typedValue(attribute, kept.value)! }
  }
  if (op === 'at_least' || op === 'at_most') return { op, value: read(value).value }
  const list: unknown[] = op === 'in' && Array.isArray(value) ? value : [value]
  if (list.length === 0 || list.length > maxValues)
    refuse(`${place}.value`, `must be a list of 1 to ${maxValues} values`)
  const values = list.map(read)
  return {
    op: 'in',
    values: values.map((one) => one.value),
    texts: values.map((one) => one.text),
  }
}
