import { matchKey } from '@lockstep/whatsapp'
import { expect, test } from 'vitest'
import { metaIdentities, parsePhone } from '../src/identity.ts'

test.each([
  ['+49 (151) 123-456 78', '4915112345678'],
  ['0049 151 12345678', '4915112345678'],
  ['4915112345678', '4915112345678'],
  ['+49 (0) 151 12345678', '4915112345678'],
  ['\u202a+1 555\u2011010\u20110001\u202c', '15550100001'],
  ['+52 1 55 1234 5678', '525512345678'],
  ['+55 31 98765-4321', '5531987654321'],
  ['+54 9 11 2345 6789', '5491123456789'],
])('%s is the number %s', (written, digits) => {
  expect(parsePhone(written)).toEqual({ digits })
})

test.each([
  ['0151 12345678', /no country code/],
  ['555-123-456', /no country code/],
  ['+49 12', /too few or too many digits/],
  ['+999 1234567', /unknown country code/],
  ['4.91512E+12', /shortened by a spreadsheet/],
  ['call me', /not a phone number/],
  ['+49151123 ext. 5', /not a phone number/],
  ['', /missing/],
])('"%s" is refused in words', (written, reason) => {
  expect(parsePhone(written)).toEqual({ reason: expect.stringMatching(reason) })
})

test.each([
  ['Brazil, mobile', '5531987654321', '553187654321'],
  ['Mexico', '5215512345678', '525512345678'],
  ['Argentina', '5491123456789', '541123456789'],
])('%s: the number with and without its extra digit is one person', (_country, long, short) => {
  expect(matchKey(long)).toBe(matchKey(short))
})

test('a Brazilian landline and a mobile number that ends like it are two people', () => {
  expect(matchKey('5511945678901')).not.toBe(matchKey('551145678901'))
})

test('a user id is understood also where a WhatsApp id is expected', () => {
  expect(metaIdentities({ waId: 'DE.Abc123', userId: 'DE.Abc123' })).toEqual([
    { namespace: 'user_id', kind: 'user_id', value: 'DE.Abc123', matchKey: 'DE.Abc123' },
  ])
})

test('a person without any id is refused', () => {
  expect(() => metaIdentities({ waId: '', userId: '' })).toThrow(/needs a WhatsApp id or a user id/)
})
