import { createRequire } from 'node:module'
import { getCountries, parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { expect, test } from 'vitest'
import { type Country, readCountry } from '../src/imports/country.ts'
import { parsePhone } from '../src/imports/phone.ts'

test.each([
  ['+49 (151) 123-456 78', '4915112345678'],
  ['0049 151 12345678', '4915112345678'],
  ['4915112345678', '4915112345678'],
  ['+49 (0) 151 12345678', '4915112345678'],
  ['(+49) 151 12345678', '4915112345678'],
  ['\u202a+1 555\u2011010\u20110001\u202c', '15550100001'],
  ['+52 1 55 1234 5678', '525512345678'],
  ['5215512345678', '525512345678'],
  ['+55 31 98765-4321', '5531987654321'],
  ['5511987654321', '5511987654321'],
  ['919876543210', '919876543210'],
  ['+54 9 11 2345 6789', '5491123456789'],
  // What tools write around a number, and numbers in other digits.
  ['p:+4915112345678', '4915112345678'],
  ['tel:+49-151-12345678', '4915112345678'],
  ['="+4915112345678"', '4915112345678'],
  ['\u0027+4915112345678', '4915112345678'],
  ['\uff0b\uff14\uff19 151 12345678', '4915112345678'],
  [
    '\u0660\u0660\u0664\u0669\u0661\u0665\u0661\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668',
    '4915112345678',
  ],
  // A spreadsheet's amount, and the area code's slash.
  ['4915123456317.0', '4915123456317'],
  ['+4915123456317,0', '4915123456317'],
  ['+49 30/123456', '4930123456'],
  // Of several the first.
  ['+49 151 12345678, +49 171 1234567', '4915112345678'],
  ['+4915112345678 ::: +491711234567', '4915112345678'],
  ['+49 151 12345678 / 0171 1234567', '4915112345678'],
  ['+49 151 12345678+49 171 1234567', '4915112345678'],
])('%s is the number %s', (written, digits) => {
  expect(parsePhone(written)).toEqual({ digits })
})

test.each([
  ['0151 12345678', /no country code/],
  ['555-123-456', /no country code/],
  ['+49 12', /too few or too many digits/],
  ['+49 1512', /too few or too many digits/],
  ['+49 151 12345678 12', /too few or too many digits/],
  ['+999 1234567', /unknown country code/],
  ['4.91512E+12', /shortened by a spreadsheet/],
  ['4915123456317.5', /changed by a spreadsheet/],
  ['4,915,123,456,317', /not a phone number/],
  ['call me', /not a phone number/],
  ['+4915112345678, ask Ana', /not a phone number/],
  ['+49151123 ext. 5', /has an extension/],
  ['+1 512 345 6789x12', /has an extension/],
  ['tel:+1-512-345-6789;ext=12', /has an extension/],
  ['+49 30 123456/57', /with an extension/],
  ['+49 151 12345678/01711234567', /with a second one/],
  ['', /missing/],
])('"%s" is refused in words', (written, reason) => {
  expect(parsePhone(written)).toEqual({ reason: expect.stringMatching(reason) })
})

test.each([
  ['(512) 345-6789', 'Peru'],
  ['(201) 555-0123', 'Egypt'],
  ['646-555-0123', 'New Zealand'],
  ['15123456789', 'the USA, for a German number whose 0 a spreadsheet ate'],
  ['(11) 98765-4321', '+1'],
  ['(25) 4712-345678', 'Kenya, in brackets'],
  ['(51) 5181-3304', 'Peru, for a fixed line in Porto Alegre'],
  ['43275702390', 'Austria, for a fixed line in Jilin'],
  ['4907064920', 'Germany, for a fixed line in India'],
  ['612345678', 'Australia, for a French number'],
  ['821012345678', 'Korea, for an Indonesian number'],
])('%s, without its country code, does not become a number of %s', (written) => {
  expect(parsePhone(written)).toEqual({ reason: expect.stringMatching(/no country code/) })
})

test.each([
  ['US', '(512) 345-6789', '15123456789'],
  ['US', '512-345-6789', '15123456789'],
  ['US', '1 (512) 345-6789', '15123456789'],
  ['US', '15123456789', '15123456789'],
  ['US', '4915123456789', '4915123456789'],
  ['US', '011 49 151 23456789', '4915123456789'],
  ['US', '0049 151 23456789', '4915123456789'],
  ['US', '+44 7400 123456', '447400123456'],
  ['DE', '0151 23456789', '4915123456789'],
  ['DE', '15123456789', '4915123456789'],
  ['DE', '4915123456789', '4915123456789'],
  ['DE', '(49) 151 23456789', '4915123456789'],
  ['DE', '030/123456', '4930123456'],
  ['RU', '8 912 345-67-89', '79123456789'],
  ['AU', '0011 49 151 23456789', '4915123456789'],
  ['BR', '(11) 98765-4321', '5511987654321'],
  ['BR', '11 98765-4321', '5511987654321'],
  ['FR', '612345678', '33612345678'],
  ['DE', '5511987654321', /not clearly a number of DE/],
  ['FR', '15123456789', /not clearly a number of FR/],
  ['FR', '0151 2345', /not clearly a number of FR/],
  ['US', '+49 12', /too few/],
] as [Country, string, string | RegExp][])(
  'with the default country %s, %s is %s',
  (country, written, meant) => {
    const expected =
      typeof meant === 'string' ? { digits: meant } : { reason: expect.stringMatching(meant) }
    expect(parsePhone(written, country)).toEqual(expected)
  },
)

/** For each country mobile numbers that are valid, spread over its ranges. */
const examples = createRequire(import.meta.url)('libphonenumber-js/examples.mobile.json') as Record<
  string,
  string
>
const mobiles = getCountries().flatMap((country) => {
  const example = examples[country]
  if (!example) return []
  const tails = Array.from({ length: 12 }, (_, i) =>
    String((i * 7_368_787 + 1_234_567) % 10 ** (example.length - 3)).padStart(
      example.length - 3,
      '0',
    ),
  )
  return [example, ...tails.map((tail) => example.slice(0, 3) + tail)].flatMap((national) => {
    const number = parsePhoneNumberFromString(national, country)
    return number?.isValid() && ['MOBILE', 'FIXED_LINE_OR_MOBILE'].includes(number.getType()!)
      ? [{ country, number }]
      : []
  })
})

test('no mobile number of any country, written without country code and trunk prefix, is read as one of another', () => {
  expect(mobiles.length).toBeGreaterThan(1_500)
  expect(
    mobiles
      .filter(({ number }) => 'digits' in parsePhone(number.nationalNumber))
      .map(({ number }) => number.number),
  ).toEqual([])
})

test('a mobile number of any country is read right with its own country as the default, however it is written', () => {
  for (const { country, number } of mobiles)
    for (const written of [
      number.formatNational(),
      number.nationalNumber,
      number.number,
      number.number.slice(1),
    ])
      expect([written, country, parsePhone(written, country)]).toEqual([
        written,
        country,
        { digits: number.number.slice(1) },
      ])
})

test('a number without + is read as itself or refused, never as another', () => {
  const read = mobiles.map(
    ({ number }) => [number.number.slice(1), parsePhone(number.number.slice(1))] as const,
  )
  for (const [digits, answer] of read) if ('digits' in answer) expect(answer.digits).toBe(digits)
  const refused = (code: string) =>
    read.filter(([digits, answer]) => digits.startsWith(code) && 'reason' in answer).length
  for (const code of ['49', '44', '34', '55', '91', '62', '90', '20', '234'])
    expect([code, refused(code)]).toEqual([code, 0])
})

test('a country is named by its two letters', () => {
  expect([readCountry('de'), readCountry(' US '), readCountry('')]).toEqual(['DE', 'US', ''])
  expect(() => readCountry('Germany')).toThrow(/two letters of a country/)
  expect(() => readCountry('ZZ')).toThrow(/two letters of a country/)
})
