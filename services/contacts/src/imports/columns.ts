import { AppError, cleanTrimmed } from '@lockstep/contracts'
import { headerKey, namesOf } from './column-names.ts'
import { isOtherChannel, looksLikeConsent } from './consent-cells.ts'
import { parsePhone } from './phone.ts'

/**
 * What a column can mean, read from all columns of phones and consents, and else from the first.
 */
export type Field =
  | 'phone'
  | 'name'
  | 'first_name'
  | 'last_name'
  | 'tags'
  | 'opted_out'
  | 'opted_in'

export interface Column {
  /** As the file names it. */
  name: string
  field?: Field
  /** The contact's attribute that its cells become. */
  attribute?: string
  /** Of phone columns the lowest that holds a number counts. */
  rank: number
  /**
   * Its name is about consent, but what yes means is not understood, or it is about e-mail and its
   * like.
   */
  doubt?: 'meaning' | 'channel'
}

const maxColumns = 1_000
/** A longer name is none of those that are known. */
const maxNameLength = 64
/** What UTF-8 decoders put where bytes are not UTF-8. */
export const notUtf8 = '\ufffd'

const fieldByName = new Map<string, { field: Field; rank: number }>()
for (const [rank, [field, names]] of namesOf.entries())
  for (const name of names.split(/[|\n]/))
    if (headerKey(name)) fieldByName.set(headerKey(name), { field, rank })

/** Digits number columns of one kind: "Phone 2 - Value". */
function meaningOf(name: string) {
  if (name.length > maxNameLength) return undefined
  const key = headerKey(name)
  const found = fieldByName.get(key) ?? fieldByName.get(key.replace(/^(is|has|contact)/, ''))
  if (found) return found
  const numbered = fieldByName.get(key.replace(/\d+/g, ''))
  return numbered?.field === 'phone' ? numbered : undefined
}

/** Whether a record names a phone column and is no person with a number. */
export function isHeader(names: string[], at = 0): boolean {
  // Below a title it must not be a person with a national number, either.
  const isNumber = (name: string) =>
    (name.length <= maxNameLength && /\d{3}/.test(name) && 'digits' in parsePhone(name)) ||
    (at > 0 && name.replace(/\D/g, '').length >= 9)
  return names.some((name) => meaningOf(name)?.field === 'phone') && !names.some(isNumber)
}

/** The meaning of each column. Throws `invalid` without a phone column. */
export function readHeader(names: string[]): Column[] {
  if (names.some((name) => name.includes(notUtf8)))
    throw new AppError('invalid', 'The first line is not UTF-8; save the file as "CSV UTF-8"')
  if (!isHeader(names))
    throw new AppError(
      'invalid',
      'The file has no phone column: its first line must name one, such as phone, mobile or ' +
        `whatsapp, but names "${names.join(', ').slice(0, 200)}"`,
    )
  if (names.length > maxColumns)
    throw new AppError(
      'invalid',
      `The file has ${names.length} columns; at most ${maxColumns.toLocaleString('en')} ` +
        'are allowed',
    )
  const seen = new Set<Field>()
  return names.map((name) => readColumn(name, seen))
}

const repeatable: ReadonlySet<Field> = new Set(['phone', 'opted_out', 'opted_in'])
/** Those that a message may also want to name by themselves. */
const alsoAttributes: ReadonlySet<Field> = new Set(['first_name', 'last_name'])

function readColumn(written: string, seen: Set<Field>): Column {
  const { field, rank } = meaningOf(written) ?? { field: undefined, rank: 0 }
  const name = cleanTrimmed(written, 255)
  const attribute = cleanTrimmed(written, 64) || undefined
  if (!field || (seen.has(field) && !repeatable.has(field)))
    return { name, attribute, rank: 0, doubt: doubtOf(written) }
  seen.add(field)
  return { name, field, attribute: alsoAttributes.has(field) ? attribute : undefined, rank }
}

/** What an import's answer says of a column. */
export interface ColumnReport {
  name: string
  takenFor: Field | 'attribute' | 'nothing'
  /** What its owner should know, if anything. */
  note: string
}

const rename = 'name it opted_out if yes means stop, or opted_in if no means stop'
const notes = {
  meaning:
    'It looks like consent and is not understood: only cells that say "unsubscribed" or the like ' +
    `count as stops. To have it read, ${rename}`,
  channel:
    'It looks like consent to e-mail, SMS or calls, so that no stop is read from it. ' +
    `If it holds for WhatsApp too, ${rename}`,
}

function doubtOf(name: string): Column['doubt'] {
  if (!looksLikeConsent(name)) return undefined
  return isOtherChannel(name) ? 'channel' : 'meaning'
}

export function reportOf({ name, field, attribute, doubt }: Column): ColumnReport {
  return {
    name,
    takenFor: field ?? (attribute ? 'attribute' : 'nothing'),
    note: doubt ? notes[doubt] : '',
  }
}
