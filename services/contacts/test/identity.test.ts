import { matchKey } from '@lockstep/whatsapp'
import { expect, test } from 'vitest'
import { metaIdentities } from '../src/identities/identity.ts'

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

test('an id of a parent business names a person wherever an id may stand', () => {
  const parent = { namespace: 'user_id', value: 'DE.ENT.Abc123', matchKey: 'DE.ENT.Abc123' }
  expect(metaIdentities({ waId: 'DE.ENT.Abc123' })).toEqual([{ ...parent, kind: 'user_id' }])
  expect(metaIdentities({ parentUserId: 'DE.ENT.Abc123' })).toEqual([
    { ...parent, kind: 'parent_user_id' },
  ])
})
