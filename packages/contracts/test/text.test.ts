import { expect, test } from 'vitest'
import { cleanText, cleanTrimmed } from '../src/text.ts'

test('clean text has no character that PostgreSQL refuses, and loses nothing else', () => {
  expect(cleanText('a\u0000b\ud800c😀')).toBe('ab\ufffdc😀')
  expect(cleanText(' Ana  María ')).toBe(' Ana  María ')
})

test('trimmed text stays clean where its length cuts a character in two', () => {
  expect(cleanTrimmed(' \u0000Ana😀 ', 10)).toBe('Ana😀')
  expect(cleanTrimmed('Ana😀', 4)).toBe('Ana\ufffd')
  expect(cleanTrimmed('😀'.repeat(3), 4)).toBe('😀😀')
})
