import { AppError } from '@lockstep/contracts'
import { type CountryCode, getCountries, Metadata } from 'libphonenumber-js/core'
import {
  getCountryCallingCode,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max'
import metadata from 'libphonenumber-js/metadata.max'

/** A country by its two letters (ISO 3166), whose national numbers are understood. */
export type Country = CountryCode

const countries = getCountries(metadata)

/** A country as a caller names it, "de" too; '' for none. Throws `invalid`. */
export function readCountry(text: string): Country | '' {
  const named = text.trim().toUpperCase()
  const found = countries.find((country) => country === named)
  if (named && !found)
    throw new AppError(
      'invalid',
      `"default_country" must be the two letters of a country (ISO 3166), such as DE, but is "${text.slice(0, 32)}"`,
    )
  return found ?? ''
}

/** E.164 digits, or in words why there are none. */
export type ParsedPhone = { digits: string } | { reason: string }

/** Invisible characters that contact apps copy along. */
const invisible = /[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g
/** The many dashes and spaces that people write. */
const allowed = /^\(?\+?[\d\s().\-/\u2010-\u2015]+$/
const scientific = /^\d([.,]\d+)?e\+?\d+$/i
/** Longer than a cell with a few numbers. */
const maxLength = 256
/** Of a number that a spreadsheet took for an amount. */
const zeroDecimals = /^(\+?\d{7,})[.,]00?$/
const decimals = /^\+?\d{7,}[.,]\d{1,2}$/
const label =
  /^\s*(p|t|m|c|tel|phone|telephone|mobile|mob|mobil|cell|handy|whatsapp|wa)\.?\s*:\s*(\/\/)?/i
const extension =
  /(?<![a-z])(ext(ension|n)?|x|#|durchwahl|ramal|poste|int(erno)?|;\s*ext\s*=)[\s.:]*\d+$/i
const between = /\s*(?:;|,|\||:::|\n|\r)\s*|\s+\/\s+|(?<=\d)\s*(?=\+)/

/**
 * Reads a number as people and their tools write it. It holds its country code, or is read as a national one of `country`.
 * Of several in one cell the first counts.
 */
export function parsePhone(text: string, country?: Country): ParsedPhone {
  const written = text
    .replace(invisible, '')
    .trim()
    .replace(/\s+/g, (blanks) => (/[\r\n]/.test(blanks) ? '\n' : ' '))
  const quoted = `"${written.slice(0, 32)}"`
  if (!written) return { reason: 'The phone number is missing' }
  if (written.length > maxLength) return { reason: `${quoted} is not a phone number` }
  const plain = asciiDigits(unwrap(written)).replace(zeroDecimals, '$1')
  if (scientific.test(plain))
    return {
      reason: `${quoted} was shortened by a spreadsheet: format the column as text and export it again`,
    }
  if (decimals.test(plain))
    return {
      reason: `${quoted} was changed by a spreadsheet: format the column as text and export it again`,
    }
  if (extension.test(plain))
    return {
      reason: `${quoted} has an extension, which WhatsApp does not reach: write the number alone`,
    }
  const [first = '', ...others] = plain.split(between).filter(Boolean).map(withoutLabel)
  if (!others.every((other) => allowed.test(other) && other.replace(/\D/g, '').length >= 7))
    return { reason: `${quoted} is not a phone number` }
  return readOne(first, quoted, country)
}

function readOne(one: string, quoted: string, country: Country | undefined): ParsedPhone {
  if (!allowed.test(one)) return { reason: `${quoted} is not a phone number` }
  const slash = one.lastIndexOf('/')
  if (slash > 0 && readNumber(one.slice(0, slash), country))
    return {
      reason: `${quoted} is a number with an extension or with a second one: write one number alone`,
    }
  const number = readNumber(one, country)
  if (number) return { digits: number.number.slice(1) }
  if (isInternational(one) && /[1-9]/.test(one))
    return {
      reason: `${quoted} has an unknown country code, or too few or too many digits for its country`,
    }
  if (country)
    return {
      reason: `${quoted} is not clearly a number of ${country}, and has no country code: write it as +<country code><number>`,
    }
  return {
    reason: `${quoted} has no country code: write it as +<country code><number>, or name the default country of the import`,
  }
}

const internationalPrefix = /^\(?\s*(\+|00)/
const isInternational = (written: string): boolean => internationalPrefix.test(written)

/** The one number that is meant, if there is one. */
function readNumber(written: string, country: Country | undefined): PhoneNumber | undefined {
  if (isInternational(written)) {
    // 00 is no way abroad from some countries, whose own may begin with it.
    const dialled =
      country && !written.includes('+') ? parsePhoneNumberFromString(written, country) : undefined
    if (dialled?.isValid()) return dialled
    const number = parsePhoneNumberFromString(
      `+${written.replace(internationalPrefix, '')}`.replace(mexicanOne, '+52'),
    )
    return number && (number.isValid() || hasMobileLength(number)) ? number : undefined
  }
  const national = /^\(?\s*0/.test(written)
  const abroad = national
    ? undefined
    : valid(parsePhoneNumberFromString(`+${written.replace(/\D/g, '')}`.replace(mexicanOne, '+52')))
  if (!country) return isClear(written, abroad) ? abroad : undefined
  const home = valid(parsePhoneNumberFromString(written, country))
  return chooseReading(written, country, home, abroad)
}

/** Mexico's 1 is no part of E.164 any more, but many lists still have it. */
const mexicanOne = /^\+\s*52\s*1(?=(\D*\d){10}\D*$)/

/** Between a national reading and one with a country code: a mobile number of the country, else its own code, else the only one. */
function chooseReading(
  written: string,
  country: Country,
  home?: PhoneNumber,
  abroad?: PhoneNumber,
): PhoneNumber | undefined {
  if (home && (isMobile(home) || !abroad || abroad.number === home.number)) return home
  if (!abroad) return undefined
  const own = abroad.countryCallingCode === getCountryCallingCode(country)
  if (own) return home && !isMobile(abroad) ? undefined : abroad
  return !home && isClear(written, abroad) ? abroad : undefined
}

/** Whether a number without + is the mobile one that it is behind a +, and no national one. Those of fixed lines look too much alike. */
function isClear(written: string, abroad: PhoneNumber | undefined): boolean {
  return (
    abroad !== undefined &&
    isMobile(abroad) &&
    !written.includes('(') &&
    !isSomebodysMobile(written)
  )
}

const valid = (number: PhoneNumber | undefined) => (number?.isValid() ? number : undefined)
const isMobile = (number: PhoneNumber) =>
  ['MOBILE', 'FIXED_LINE_OR_MOBILE'].includes(number.getType() ?? '')

/** What the package has, and its types leave out. */
interface NumberingPlan {
  possibleLengths(): number[]
  /** Undefined where a country has no such numbers. */
  type(
    name: 'MOBILE' | 'FIXED_LINE',
  ): { pattern(): string; possibleLengths(): number[] } | undefined
}

function plan(of: { country?: Country; countryCallingCode?: string }): NumberingPlan {
  const found = new Metadata(metadata)
  found.selectNumberingPlan((of.country ?? of.countryCallingCode) as Country)
  return found.numberingPlan as unknown as NumberingPlan
}

/** The lists of valid ranges lag behind what is given out; a number that was cut off is shorter than any mobile one. */
function hasMobileLength(number: PhoneNumber): boolean {
  const { length } = number.nationalNumber
  const numbers = plan(number)
  return (
    number.isPossible() &&
    (numbers.type('MOBILE')?.possibleLengths() ?? numbers.possibleLengths()).includes(length)
  )
}

/** Patterns of national mobile numbers without their trunk prefix, by their length. */
const mobilePatterns = new Map<number, RegExp[]>()
for (const country of countries) {
  const numbers = plan({ country })
  const type = numbers.type('MOBILE')
  if (!type) continue
  // Empty where mobile numbers look like those of fixed lines.
  const pattern = new RegExp(`^(?:${type.pattern() || numbers.type('FIXED_LINE')!.pattern()})$`)
  for (const length of type.possibleLengths())
    mobilePatterns.set(length, [...(mobilePatterns.get(length) ?? []), pattern])
}

/** Whether digits are, as they stand, a mobile number inside any country: one whose 0 a spreadsheet took away, perhaps. */
function isSomebodysMobile(written: string): boolean {
  const digits = written.replace(/\D/g, '')
  return (mobilePatterns.get(digits.length) ?? []).some((pattern) => pattern.test(digits))
}

/** Without what spreadsheets, lead forms and exports write around a number. */
function unwrap(written: string): string {
  const formula = /^="?([^"]*)"?$/.exec(written)
  return withoutLabel((formula?.[1] ?? written).replace(/^["'`]+|["']+$/g, ''))
}

function withoutLabel(text: string): string {
  return text.replace(label, '').trim()
}

/** Digits of other scripts and full-width signs as ASCII. */
function asciiDigits(text: string): string {
  const narrow = text.replace(/[\uff01-\uff5e]/g, (sign) =>
    String.fromCharCode(sign.charCodeAt(0) - 0xfee0),
  )
  return narrow.replace(/[^\P{Nd}0-9]/gu, (digit) => {
    // Unicode has the digits of a script one after the other, from zero, and scripts side by side in whole tens.
    let first = digit.codePointAt(0)!
    while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--
    return String((digit.codePointAt(0)! - first) % 10)
  })
}
