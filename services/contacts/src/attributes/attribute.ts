import type { AttributeType } from '@lockstep/contracts'

/** An attribute with a type, which contacts have by its name. */
export interface Attribute {
  id: string
  accountId: string
  name: string
  label: string
  type: AttributeType
  /** Of the type `choice`. */
  choices: string[]
}

/** A value as it is indexed: one of the three is there. */
export interface TypedValue {
  textValue?: string
  numberValue?: number
  dateValue?: string
}

/** A value as it is kept, or what it must be, to be said after its name. */
type ReadValue = { value: string } | { reason: string }

const yes = ['true', 'yes', '1']
const no = ['false', 'no', '0']
const numberPattern = /^[+-]?\d{1,15}(\.\d{1,10})?$/
const datePattern = /^(\d{4})-(\d\d)-(\d\d)$/
/** An entry of an index has its limit. */
const indexedLength = 256

/** Reads a text as a value of an attribute. */
export function readValue({ type, choices }: Attribute, text: string): ReadValue {
  const written = text.trim()
  switch (type) {
    case 'text':
      return { value: text }
    case 'number':
      return numberPattern.test(written)
        ? { value: written.replace(/^\+/, '') }
        : { reason: 'must be a number, such as 12 or -0.5' }
    case 'date':
      return isDate(written) ? { value: written } : { reason: 'must be a day such as 2026-12-24' }
    case 'boolean': {
      const small = written.toLowerCase()
      if (yes.includes(small)) return { value: 'true' }
      return no.includes(small) ? { value: 'false' } : { reason: 'must be true or false' }
    }
    case 'choice': {
      const small = written.toLowerCase()
      const choice =
        choices.find((one) => one === written) ?? choices.find((one) => one.toLowerCase() === small)
      return choice === undefined
        ? { reason: `must be one of ${choices.map((one) => `"${one}"`).join(', ')}` }
        : { value: choice }
    }
  }
}

function isDate(text: string): boolean {
  const [, year, month, day] = datePattern.exec(text)?.map(Number) ?? []
  if (!year || !month || !day) return false
  const date = new Date(Date.UTC(2000, month - 1, day))
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** How a kept value is indexed; what was kept before the attribute had its type may be none. */
export function typedValue(attribute: Attribute, text: string): TypedValue | undefined {
  const read = readValue(attribute, text)
  if ('reason' in read) return undefined
  if (attribute.type === 'number') return { numberValue: Number(read.value) }
  if (attribute.type === 'date') return { dateValue: read.value }
  return { textValue: indexedText(read.value) }
}

/** As much of a text as is indexed, by whole characters. */
const indexedText = (text: string): string =>
  text.length <= indexedLength ? text : text.slice(0, indexedLength).toWellFormed()

/** Values of attributes as they are kept, or what is wrong with the first that is none. */
export function readValues(
  attributes: ReadonlyMap<string, Attribute>,
  texts: Readonly<Record<string, string>>,
): { values: Record<string, string> } | { reason: string } {
  const values: [string, string][] = []
  for (const [name, text] of Object.entries(texts)) {
    const attribute = attributes.get(name)
    const read = attribute ? readValue(attribute, text) : { value: text }
    if ('reason' in read)
      return { reason: `The attribute "${name}" ${read.reason}, but is "${text.slice(0, 32)}"` }
    values.push([name, read.value])
  }
  return { values: Object.fromEntries(values) }
}
