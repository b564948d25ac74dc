import { AppError } from '@lockstep/contracts'
import { templateVariables, unsupportedReason } from '@lockstep/whatsapp'

/** A person as the values of a template see them. */
export interface Person {
  name: string
  phone: string
  attributes: Record<string, string>
}

/**
 * Throws `invalid` unless every variable of the template has a value, naming the first that lacks one and what the
 * template needs; `precondition` for a kind of template that can't be sent.
 */
export function checkValues(template: { name: string; components: readonly unknown[] }, values: Record<string, string>): void {
  const unsupported = unsupportedReason(template.components)
  if (unsupported) throw new AppError('precondition', `Template "${template.name}" can't be sent in a campaign: ${unsupported}`)
  const needed = templateVariables(template.components)
  const missing = needed.find((variable) => !values[variable.key]?.trim())
  if (missing) {
    const all = needed.map((variable) => `"${variable.key}"`).join(', ')
    throw new AppError('invalid', `Template "${template.name}" needs a value for ${missing.label}: set "${missing.key}" (it needs ${all})`)
  }
  const known = new Set(needed.map((variable) => variable.key))
  const unknown = Object.keys(values).find((key) => !known.has(key))
  if (unknown) throw new AppError('invalid', `Template "${template.name}" has no variable "${unknown}"`)
}

/** Why the values don't fit the template any more, in words; null while they do. */
export function misfitOf(template: { name: string; components: readonly unknown[] }, values: Record<string, string>): string | null {
  try {
    checkValues(template, values)
    return null
  } catch (error) {
    if (error instanceof AppError) return error.message
    throw error
  }
}

const placeholder = /\{\{\s*(name|phone|attributes\.([^{}\s]+))\s*\}\}/g

/** The values for one person, or which of them came out empty: then the message can't be sent to them. */
export function fillValues(values: Record<string, string>, person: Person): { values: Record<string, string> } | { empty: string } {
  const filled: Record<string, string> = {}
  for (const [key, text] of Object.entries(values)) {
    const value = text.replace(placeholder, (_all, field: string, attribute?: string) => {
      if (field === 'name') return person.name
      if (field === 'phone') return person.phone
      return Object.hasOwn(person.attributes, attribute!) ? person.attributes[attribute!]! : ''
    })
    if (!value.trim()) return { empty: key }
    filled[key] = value
  }
  return { values: filled }
}
