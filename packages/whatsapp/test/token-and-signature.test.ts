import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTokens, signBody, verifySignature } from '../src/index.ts'

const tokens = createTokens(Buffer.alloc(32, 7))
const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/)

test('a token reads back as what it was issued for, for its own number only', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('c', 'm'),
      ids,
      ids,
      ids,
      ids,
      (kind, ownerId, attemptId, phoneNumberId, other) => {
        const token = tokens.issue({ kind, ownerId, attemptId, phoneNumberId })
        expect(token.length).toBeLessThanOrEqual(512)
        expect(tokens.read(token, phoneNumberId)).toEqual({ kind, ownerId, attemptId })
        if (other !== phoneNumberId) expect(tokens.read(token, other)).toBeNull()
      },
    ),
  )
})

test('a token with any character changed, made with another key, or of another shape is none', () => {
  const token = tokens.issue({
    kind: 'c',
    ownerId: '0190-a',
    attemptId: '0191-b',
    phoneNumberId: '801',
  })
  expect(token).toMatch(/^lk1\.c\.0190-a\.0191-b\.[0-9a-f]{12}$/)
  for (let i = 0; i < token.length; i++) {
    const forged = token.slice(0, i) + (token[i] === '0' ? '1' : '0') + token.slice(i + 1)
    expect(tokens.read(forged, '801')).toBeNull()
  }
  expect(createTokens(Buffer.alloc(32, 8)).read(token, '801')).toBeNull()
  for (const other of [
    undefined,
    null,
    5,
    {},
    '',
    `${token}0`,
    ` ${token}`,
    token.toUpperCase(),
    'lk1.c.a.b.',
  ])
    expect(tokens.read(other, '801')).toBeNull()
})

test('the first key of a ring issues, any of them is believed, and one that was taken away is not', () => {
  const [old, fresh] = [
    { id: 1, key: Buffer.alloc(32, 7) },
    { id: 2, key: Buffer.alloc(32, 8) },
  ]
  const content = { kind: 'c', ownerId: '0190-a', attemptId: '0191-b' } as const
  const [before, after] = [tokens, createTokens([fresh, old])].map((each) =>
    each.issue({ ...content, phoneNumberId: '801' }),
  )
  expect(before).not.toBe(after)
  for (const token of [before, after])
    expect(createTokens([fresh, old]).read(token, '801')).toEqual(content)
  expect(createTokens([fresh]).read(before, '801')).toBeNull()
  expect(createTokens([fresh]).read(after, '801')).toEqual(content)
})

test('parts of the ids can not be moved from one to the other', () => {
  const token = tokens.issue({ kind: 'c', ownerId: 'ab', attemptId: 'c', phoneNumberId: '801' })
  expect(tokens.read(token.replace('.ab.c.', '.a.bc.'), '801')).toBeNull()
  expect(() =>
    tokens.issue({ kind: 'c', ownerId: 'a.b', attemptId: 'c', phoneNumberId: '801' }),
  ).toThrow('can not stand in a token')
})

test('a key that is too short is refused', () => {
  expect(() => createTokens(Buffer.from('short'))).toThrow('16 bytes')
})

test('the signature is over the raw bytes, in which Meta escapes everything beyond ASCII', () => {
  const raw = Buffer.from(
    String.raw`{"object":"whatsapp_business_account","text":"\u00e4\u00f6 \ud83d\ude00","url":"https:\/\/x"}`,
  )
  const header = `sha256=${createHmac('sha256', 'app secret').update(raw).digest('hex')}`
  expect(signBody('app secret', raw)).toBe(header)
  expect(verifySignature(raw, header, ['app secret'])).toBe(true)
  const rewritten = Buffer.from(JSON.stringify(JSON.parse(raw.toString())))
  expect(verifySignature(rewritten, header, ['app secret'])).toBe(false)
})

test('each of several secrets is accepted, and nothing else', () => {
  const raw = Buffer.from('{}')
  const header = signBody('previous', raw)
  expect(verifySignature(raw, header, ['present', 'previous'])).toBe(true)
  expect(verifySignature(raw, header, ['present'])).toBe(false)
  expect(verifySignature(raw, header, [])).toBe(false)
  expect(verifySignature(raw, signBody('', raw), [''])).toBe(false)
  for (const bad of [
    undefined,
    '',
    'sha256=',
    header.toUpperCase(),
    header.slice(0, -1),
    `${header}0`,
    header.replace('sha256', 'sha1'),
  ]) {
    expect(verifySignature(raw, bad, ['previous'])).toBe(false)
  }
  expect(verifySignature(Buffer.from('{ }'), header, ['previous'])).toBe(false)
})
