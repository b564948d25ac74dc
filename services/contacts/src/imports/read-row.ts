import { cleanTrimmed } from '@lockstep/contracts'
import { maxTagLength, maxTags } from '../contact-limits.ts'
import { type Column, type Field, notUtf8 } from './columns.ts'
import { type CellMeaning, readOptIn, readOptOut, readStatus } from './consent-cells.ts'
import type { Country } from './country.ts'
import { parsePhone } from './phone.ts'

export interface ImportedContact {
  /** E.164 digits. */
  phone: string
  name: string
  tags: string[]
  optedOut: boolean
  attributes: Record<string, string>
}

/** A row that means no contact. */
export interface RefusedRow {
  reason: string
  /** E.164 digits of a person whom the row opts out, or may opt out, although it is refused. */
  optOutPhone?: string
}

/** The contact that a row means, or why it means none, unless all its cells are empty. */
export function readRow(
  columns: Column[],
  fields: string[],
  country?: Country,
): ImportedContact | RefusedRow | undefined {
  if (fields.every((text) => !text.trim())) return undefined
  const surplus = fields.slice(columns.length)
  if (surplus.some((text) => text.trim())) return refuseShifted(columns, fields, country)
  const cells = columns.map((column, at) => ({
    ...column,
    text: cleanTrimmed(unescapeFormula(fields[at] ?? ''), 1_024),
  }))
  const phone = readPhone(cells, country)
  const said = readConsent(cells)
  const stops = typeof said === 'object' ? said.stops : said === 'stop'
  const refuse = (reason: string): RefusedRow => ({
    reason,
    ...('digits' in phone && stops && { optOutPhone: phone.digits }),
  })
  if (fields.some((text) => text.includes(notUtf8)))
    return refuse('The row is not UTF-8; save the file as "CSV UTF-8"')
  if ('reason' in phone) return phone
  if (typeof said === 'object') return refuse(said.reason)
  const tags = readTags(firstOf(cells, 'tags'))
  if ('reason' in tags) return refuse(tags.reason)
  const attributes: Record<string, string> = {}
  for (const { attribute, text } of cells) if (attribute && text) attributes[attribute] = text
  return {
    phone: phone.digits,
    name: readName(cells),
    tags: tags.tags,
    optedOut: stops,
    attributes,
  }
}

type Cell = Column & { text: string }
const firstOf = (cells: Cell[], field: Field): string =>
  cells.find((cell) => cell.field === field)?.text ?? ''

function readName(cells: Cell[]): string {
  const name =
    firstOf(cells, 'name') || `${firstOf(cells, 'first_name')} ${firstOf(cells, 'last_name')}`
  return cleanTrimmed(name, 256)
}

/** The first cell that holds a number: of WhatsApp, else a mobile phone's, else any phone's. */
function readPhone(cells: Cell[], country: Country | undefined): ReturnType<typeof parsePhone> {
  const written = cells
    .filter((cell) => cell.field === 'phone' && cell.text)
    .sort((a, b) => a.rank - b.rank)
  let refused: { reason: string } | undefined
  for (const { text } of written) {
    const phone = parsePhone(text, country)
    if ('digits' in phone) return phone
    refused ??= phone
  }
  return refused ?? parsePhone('')
}

/** What can't be read of a cell about consent, which stops the person if it is an opt-out's. */
interface UnreadableCell {
  reason: string
  stops: boolean
}

/** What all columns about consent say together: a stop in one counts, whatever the others say. */
function readConsent(cells: Cell[]): CellMeaning | UnreadableCell {
  const all = cells.filter((cell) => cell.text && (cell.field || cell.doubt)).map(readCell)
  if (all.includes('stop')) return 'stop'
  const unread = all.filter((one) => typeof one === 'object')
  return unread.find((one) => one.stops) ?? unread[0] ?? 'nothing'
}

function readCell({ field, doubt, text }: Cell): CellMeaning | UnreadableCell {
  const unread = (column: string) =>
    `"${text.slice(0, 32)}" in the ${column} column is neither yes nor no`
  if (field === 'opted_out') return readOptOut(text) ?? { reason: unread('opt-out'), stops: true }
  if (field === 'opted_in') return readOptIn(text) ?? { reason: unread('opt-in'), stops: false }
  return doubt === 'meaning' ? (readStatus(text) ?? 'nothing') : 'nothing'
}

const maxShift = 5

/** In a row with too many cells a phone and a stop may stand further right than their columns. */
function refuseShifted(
  columns: Column[],
  fields: string[],
  country: Country | undefined,
): RefusedRow {
  const reason = `The row has ${fields.length} columns, the first line has ${columns.length}`
  const most = Math.min(fields.length - columns.length, maxShift)
  const shifts = Array.from({ length: most + 1 }, (_, by) =>
    columns.map((column, at) => ({
      ...column,
      text: cleanTrimmed(unescapeFormula(fields[at + by]!), 1_024),
    })),
  )
  const phone = shifts.map((cells) => readPhone(cells, country)).find((read) => 'digits' in read)
  const stops = shifts.some((cells) => readConsent(cells) === 'stop')
  return { reason, ...(phone && 'digits' in phone && stops && { optOutPhone: phone.digits }) }
}

function readTags(text: string): { tags: string[] } | { reason: string } {
  const tags = text.split(/[;|]/).map((tag) => tag.trim())
  const long = tags.find((tag) => tag.length > maxTagLength)
  if (long)
    return { reason: `The tag "${long.slice(0, 32)}…" is longer than ${maxTagLength} characters` }
  const different = [...new Set(tags.filter(Boolean))]
  if (different.length > maxTags)
    return { reason: `The row names ${different.length} tags; at most ${maxTags} are allowed` }
  return { tags: different }
}

/** Exports put a ' before what a spreadsheet would run as a formula. */
function unescapeFormula(text: string): string {
  return text.replace(/^'(?=[=+\-@\t\r])/, '')
}
