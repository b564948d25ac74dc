import { AppError } from '@lockstep/contracts'
import {
  collapseSpace,
  isMediaLink,
  spaceFault,
  type TemplateVariable,
  templateVariables,
  unsupportedReason,
} from '@lockstep/whatsapp'
import { type Person, partsOf, personValue, type TextPart } from './placeholders.ts'

interface TemplateText {
  name: string
  components: readonly unknown[]
}

/**
 * Throws `invalid` where a variable has no value that can be sent, `precondition` for a kind of
 * template that can't be.
 */
export function checkValues(template: TemplateText, values: Record<string, string>): void {
  const unsupported = unsupportedReason(template.components)
  if (unsupported)
    throw new AppError(
      'precondition',
      `Template "${template.name}" can't be sent in a campaign: ${unsupported}`,
    )
  const needed = templateVariables(template.components)
  const missing = needed.find((variable) => !values[variable.key]?.trim())
  if (missing) {
    const all = needed.map((variable) => `"${variable.key}"`).join(', ')
    throw new AppError(
      'invalid',
      `Template "${template.name}" needs a value for ${missing.label}: set "${missing.key}" (it needs ${all})`,
    )
  }
  const known = new Set(needed.map((variable) => variable.key))
  const unknown = Object.keys(values).find((key) => !known.has(key))
  if (unknown)
    throw new AppError('invalid', `Template "${template.name}" has no variable "${unknown}"`)
  for (const variable of needed) checkValue(variable, values[variable.key]!)
}

function checkValue(variable: TemplateVariable, value: string): void {
  const { key } = variable
  const parts = partsOf(key, value.trim())
  if (isMedia(variable)) {
    // What begins with a placeholder is known only of each person.
    const like = parts
      .map((part) => (typeof part === 'string' ? part : 'x'))
      .join('')
      .trim()
    if (typeof parts[0] === 'string' && !isMediaLink(like))
      throw new AppError(
        'invalid',
        `"${key}" must be a public https link to the ${variable.kind}, such as https://shop.example/a.png`,
      )
    return
  }
  for (const part of parts) {
    const text = typeof part === 'string' ? part : part.fallback
    const fault = spaceFault(text)
    if (fault)
      throw new AppError(
        'invalid',
        `"${key}" has ${fault}, which WhatsApp does not take in a value. Write it in one line`,
      )
  }
}

/** Why the values don't fit the template any more; null while they do. */
export function misfitOf(template: TemplateText, values: Record<string, string>): string | null {
  try {
    checkValues(template, values)
    return null
  } catch (error) {
    if (error instanceof AppError) return error.message
    throw error
  }
}

const isMedia = ({ kind }: TemplateVariable): boolean =>
  kind === 'image' || kind === 'video' || kind === 'document'

/**
 * The values for a person, or why they can't get the message: nothing goes out with a hole in it.
 */
export type FilledValues = { values: Record<string, string> } | { reason: string }

/** Fills values in for one person after another. Throws like `checkValues`. */
export function valueFiller(
  template: TemplateText,
  values: Record<string, string>,
): (person: Person) => FilledValues {
  const variables = templateVariables(template.components).map((variable) => ({
    variable,
    parts: partsOf(variable.key, (values[variable.key] ?? '').trim()),
  }))
  return (person) => {
    const filled: Record<string, string> = {}
    for (const { variable, parts } of variables) {
      const text = fill(parts, person)
      if (typeof text !== 'string')
        return { reason: `no value for {{${text.empty}}} of ${variable.key}` }
      if (text === '') return { reason: `no value for ${variable.key}` }
      if (isMedia(variable) && !isMediaLink(text))
        return { reason: `${variable.key} is no https link` }
      filled[variable.key] = text
    }
    return { values: filled }
  }
}

function fill(parts: TextPart[], person: Person): string | { empty: string } {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    const value = collapseSpace(personValue(part, person)) || part.fallback
    if (value === '') return { empty: part.field }
    text += value
  }
  return collapseSpace(text)
}
