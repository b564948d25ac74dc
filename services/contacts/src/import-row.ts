import { AppError } from '@lockstep/contracts'
import { parsePhone } from './identity.ts'
import { clean, maxTagLength, maxTags } from './text.ts'

/** What each column of a file is: a field of the contact, or an attribute of that name; '' is left out. */
export type Columns = ({ field: 'phone' | 'name' | 'tags' | 'optedOut' } | { attribute: string } | undefined)[]

export interface ImportedContact {
  /** E.164 digits. */
  phone: string
  name: string
  tags: string[]
  optedOut: boolean
  attributes: Record<string, string>
}

const aliases = {
  phone: ['phone', 'phone_number', 'number', 'mobile', 'mobile_number', 'whatsapp', 'whatsapp_number'],
  name: ['name', 'full_name'],
  tags: ['tags', 'tag'],
  optedOut: ['opted_out', 'opt_out'],
} as const

type Field = keyof typeof aliases
const fieldOf = new Map<string, Field>(
  Object.entries(aliases).flatMap(([field, names]) => names.map((name) => [name, field as Field] as const)),
)

const maxAttributes = 100
/** What UTF-8 decoders put where bytes are not UTF-8. */
const notUtf8 = '\ufffd'

/** The meaning of each column. Throws `invalid` without a phone column; the first of two columns for one field counts. */
export function readHeader(names: string[]): Columns {
  const seen = new Set<Field>()
  const columns = names.map((name) => {
    const field = fieldOf.get(
      name
        .trim()
        .toLowerCase()
        .replace(/[\s-]+/g, '_'),
    )
    if (field && !seen.has(field)) {
      seen.add(field)
      return { field }
    }
    const attribute = clean(name, 64)
    return attribute ? { attribute } : undefined
  })
  if (names.some((name) => name.includes(notUtf8)))
    throw new AppError('invalid', 'The first line is not UTF-8; save the file as "CSV UTF-8"')
  if (!seen.has('phone'))
    throw new AppError(
      'invalid',
      `The file has no phone column: its first line must name one of ${aliases.phone.join(', ')}, but names "${names.join(', ').slice(0, 200)}"`,
    )
  if (names.length > maxAttributes)
    throw new AppError('invalid', `The file has ${names.length} columns; at most ${maxAttributes} are allowed`)
  return columns
}

/** The contact that a row means, or in words why it means none. */
export function readRow(columns: Columns, fields: string[]): ImportedContact | { reason: string } {
  if (fields.length !== columns.length) return { reason: `The row has ${fields.length} columns, the first line has ${columns.length}` }
  if (fields.some((text) => text.includes(notUtf8))) return { reason: 'The row is not UTF-8; save the file as "CSV UTF-8"' }
  const contact: ImportedContact = { phone: '', name: '', tags: [], optedOut: false, attributes: {} }
  for (const [i, column] of columns.entries()) {
    const text = clean(unescapeFormula(fields[i]!), 1_024)
    if (!column || !text) {
      if (column && 'field' in column && column.field === 'phone') return { reason: 'The phone number is missing' }
      continue
    }
    const reason = 'field' in column ? setField(contact, column.field, text) : setAttribute(contact, column.attribute, text)
    if (reason) return { reason }
  }
  return contact
}

function setField(contact: ImportedContact, field: Field, text: string): string | undefined {
  if (field === 'name') contact.name = clean(text, 256)
  if (field === 'tags') return setTags(contact, text)
  if (field === 'optedOut') {
    const said = readYesNo(text)
    if (said === undefined) return `"${text.slice(0, 32)}" in the opt-out column is neither yes nor no`
    contact.optedOut = said
  }
  if (field === 'phone') {
    const phone = parsePhone(text)
    if ('reason' in phone) return phone.reason
    contact.phone = phone.digits
  }
  return undefined
}

function setTags(contact: ImportedContact, text: string): string | undefined {
  const tags = text.split(/[;|]/).map((tag) => tag.trim())
  const long = tags.find((tag) => tag.length > maxTagLength)
  if (long) return `The tag "${long.slice(0, 32)}…" is longer than ${maxTagLength} characters`
  contact.tags = [...new Set(tags.filter(Boolean))]
  return contact.tags.length > maxTags ? `The row names ${contact.tags.length} tags; at most ${maxTags} are allowed` : undefined
}

function setAttribute(contact: ImportedContact, name: string, text: string): undefined {
  contact.attributes[name] = text
}

const yes = new Set(['true', 't', '1', 'yes', 'y', 'x', 'si', 'sí', 'sim', 'oui', 'ja'])
const no = new Set(['false', 'f', '0', 'no', 'n', 'não', 'nao', 'non', 'nein', '-'])

function readYesNo(text: string): boolean | undefined {
  const word = text.toLowerCase()
  return yes.has(word) ? true : no.has(word) ? false : undefined
}

/** Exports put a ' before a cell that a spreadsheet would run as a formula; it comes back without. */
function unescapeFormula(text: string): string {
  return text.replace(/^'(?=[=+\-@\t\r])/, '')
}
