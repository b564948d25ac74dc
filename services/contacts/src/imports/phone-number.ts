import { Metadata } from 'libphonenumber-js/core'
import {
  getCountryCallingCode,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max'
import metadata from 'libphonenumber-js/metadata.max'
import { type Country, countries } from './country.ts'

const internationalPrefix = /^\(?\s*(\+|00)/
export const isInternational = (written: string): boolean => internationalPrefix.test(written)

/** The one number that is meant, if there is one. */
export function readNumber(written: string, country: Country | undefined): PhoneNumber | undefined {
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

/**
 * A mobile number of the country comes first, then one with the country's code, then the only
 * reading.
 */
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

/** Whether a number without + can only be the mobile number that it is behind a +. */
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

/** For new ranges, which the package doesn't know yet, unlike for numbers that were cut off. */
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

/**
 * Whether digits are a mobile number inside any country, whose 0 a spreadsheet may have taken away.
 */
function isSomebodysMobile(written: string): boolean {
  const digits = written.replace(/\D/g, '')
  return (mobilePatterns.get(digits.length) ?? []).some((pattern) => pattern.test(digits))
}
