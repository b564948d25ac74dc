import { AppError } from '@lockstep/contracts'
import { type CountryCode, getCountries } from 'libphonenumber-js/core'
import metadata from 'libphonenumber-js/metadata.max'

/** A country by its two letters (ISO 3166), whose national numbers are understood. */
export type Country = CountryCode

export const countries = getCountries(metadata)

/** A country as a caller names it, or '' for none. Throws `invalid`. */
export function readCountry(text: string): Country | '' {
  const named = text.trim().toUpperCase()
  const found = countries.find((country) => country === named)
  if (named && !found)
    throw new AppError(
      'invalid',
      '"default_country" must be the two letters of a country (ISO 3166), such as DE, ' +
        `but is "${text.slice(0, 32)}"`,
    )
  return found ?? ''
}
