import { AppError } from '@lockstep/contracts'

/** A person as the values of a template see them. */
export interface Person {
  name: string
  phone: string
  attributes: Record<string, string>
}

/**
 * What stands in double braces: a field of the person, and what is written where they have none.
 */
export interface Placeholder {
  /** As it was written, without its fallback: `attributes.First name`. */
  field: string
  fallback: string
}

/** A value's text in parts. */
export type TextPart = string | Placeholder

const fields =
  '{{name}}, {{phone}} and {{attributes.…}} with the name of an attribute as it is written, each also with a fallback: {{name|there}}'

/**
 * Takes a value apart. Throws `invalid` for a placeholder that there is not, naming those that
 * there are.
 */
export function partsOf(key: string, text: string): TextPart[] {
  return text.split(/(\{\{[^{}]*\}\})/).flatMap((part, i): TextPart[] => {
    if (i % 2 === 1) return [placeholderOf(key, part.slice(2, -2))]
    if (/\{\{|\}\}/.test(part) || text.includes('{{{'))
      throw new AppError(
        'invalid',
        `"${key}" has braces that don't belong together. There are ${fields}`,
      )
    return part === '' ? [] : [part]
  })
}

function placeholderOf(key: string, written: string): Placeholder {
  const [field = '', ...rest] = written.split('|')
  const fallback = rest.join('|').trim()
  const name = field.trim()
  if (rest.length > 0 && fallback === '')
    throw new AppError(
      'invalid',
      `"${key}" has an empty fallback: {{${written}}}. Write a text behind the |`,
    )
  const isKnown = name === 'name' || name === 'phone' || /^attributes\.\s*\S/.test(name)
  if (!isKnown)
    throw new AppError(
      'invalid',
      `"${key}" has a placeholder that there is not: {{${written}}}. There are ${fields}`,
    )
  return { field: name, fallback }
}

/** What a person has for a placeholder; empty when they have nothing. */
export function personValue({ field }: Placeholder, { name, phone, attributes }: Person): string {
  if (field === 'name') return name
  if (field === 'phone') return phone
  const attribute = field.slice('attributes.'.length).trim()
  return Object.hasOwn(attributes, attribute) ? String(attributes[attribute]) : ''
}
