import type { Country } from './country.ts'
import { isInternational, readNumber } from './phone-number.ts'

/** E.164 digits, or why there are none. */
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

const exportAgain = 'by a spreadsheet: format the column as text and export it again'
const writeCode = 'has no country code: write it as +<country code><number>'

/** Reads the first number of a cell, with its country code or as a national one of `country`. */
export function parsePhone(text: string, country?: Country): ParsedPhone {
  const written = text
    .replace(invisible, '')
    .trim()
    .replace(/\s+/g, (blanks) => (/[\r\n]/.test(blanks) ? '\n' : ' '))
  if (!written) return { reason: 'The phone number is missing' }
  const refuse = (reason: string) => ({ reason: `"${written.slice(0, 32)}" ${reason}` })
  if (written.length > maxLength) return refuse('is not a phone number')
  const plain = asciiDigits(unwrap(written)).replace(zeroDecimals, '$1')
  if (scientific.test(plain)) return refuse(`was shortened ${exportAgain}`)
  if (decimals.test(plain)) return refuse(`was changed ${exportAgain}`)
  if (extension.test(plain))
    return refuse('has an extension, which WhatsApp does not reach: write the number alone')
  const [first = '', ...others] = plain.split(between).filter(Boolean).map(withoutLabel)
  if (!others.every((other) => allowed.test(other) && other.replace(/\D/g, '').length >= 7))
    return refuse('is not a phone number')
  const number = readOne(first, country)
  return 'digits' in number ? number : refuse(number.reason)
}

/** The number, or what is wrong with it, to be said after it. */
function readOne(one: string, country: Country | undefined): ParsedPhone {
  if (!allowed.test(one)) return { reason: 'is not a phone number' }
  const slash = one.lastIndexOf('/')
  if (slash > 0 && readNumber(one.slice(0, slash), country))
    return { reason: 'is a number with an extension or with a second one: write one number alone' }
  const number = readNumber(one, country)
  if (number) return { digits: number.number.slice(1) }
  if (isInternational(one) && /[1-9]/.test(one))
    return {
      reason: 'has an unknown country code, or too few or too many digits for its country',
    }
  if (country) return { reason: `is not clearly a number of ${country}, and ${writeCode}` }
  return { reason: `${writeCode}, or name the default country of the import` }
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
    // Unicode has a script's digits side by side, from zero.
    let first = digit.codePointAt(0)!
    while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--
    return String((digit.codePointAt(0)! - first) % 10)
  })
}
