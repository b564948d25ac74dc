import { AppError, cleanTrimmed } from '@lockstep/contracts'
import { maxTagLength, maxTags } from '../contact-limits.ts'

const maxNameLength = 256
const maxEmailLength = 254
const maxAttributeNameLength = 256
const maxAttributeLength = 1_024

export const readName = (text: string): string => limited(text, 'name', maxNameLength)

/** Whether somebody reads it there is not known. Throws `invalid` for what can be no address. */
export function readEmail(text: string): string {
  const email = limited(text, 'email', maxEmailLength)
  if (email && !/^[^\s@]+@[^\s@]+$/.test(email))
    throw new AppError('invalid', `"email" is "${email.slice(0, 64)}", which is no e-mail address`)
  return email
}

/** As Meta names languages of templates: pt_BR of pt-br. Throws `invalid`. */
export function readLanguage(text: string): string {
  const [language = '', region = '', ...rest] = text.trim().split(/[-_]/)
  if (!text.trim()) return ''
  if (!/^[a-z]{2,3}$/i.test(language) || !/^([a-z]{2}|\d{3})?$/i.test(region) || rest.length > 0)
    throw new AppError(
      'invalid',
      `"language" is "${text.slice(0, 32)}"; it must be a language such as de, or pt_BR`,
    )
  return region ? `${language.toLowerCase()}_${region.toUpperCase()}` : language.toLowerCase()
}

/** Throws `invalid`. */
export function readTimeZone(text: string): string {
  const zone = text.trim()
  if (!zone) return ''
  try {
    if (/^[+-]/.test(zone)) throw new RangeError('An offset is no time zone')
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone
  } catch (cause) {
    const message = `"time_zone" is "${zone.slice(0, 64)}"; it must be one such as Europe/Berlin`
    throw new AppError('invalid', message, { cause })
  }
}

/** Tags of the field `field`, each once. Throws `invalid`. */
export function readTags(tags: readonly string[], field: string): string[] {
  const read = tags.map((tag) => {
    const clean = cleanTrimmed(tag, maxTagLength + 1)
    if (clean && clean.length <= maxTagLength) return clean
    throw new AppError('invalid', `"${field}" must hold tags of 1 to ${maxTagLength} characters`)
  })
  const different = [...new Set(read)]
  if (different.length > maxTags)
    throw new AppError('invalid', `"${field}" names ${different.length} tags, at most ${maxTags}`)
  return different
}

/** Throws `invalid`. */
export function readAttributes(attributes: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      readAttributeName(name),
      limited(value, `attributes.${name.slice(0, 64)}`, maxAttributeLength),
    ]),
  )
}

export function readAttributeName(name: string): string {
  const clean = limited(name, 'attributes', maxAttributeNameLength)
  if (!clean) throw new AppError('invalid', '"attributes" must name each attribute')
  return clean
}

function limited(text: string, field: string, maxLength: number): string {
  const clean = cleanTrimmed(text, maxLength + 1)
  if (clean.length > maxLength)
    throw new AppError('invalid', `"${field}" is longer than ${maxLength} characters`)
  return clean
}
