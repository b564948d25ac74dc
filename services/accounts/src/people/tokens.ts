import { createHash, randomBytes } from 'node:crypto'

/** What a token begins with, so that people and scanners know what it is. */
type TokenKind = 'li' | 'lr' | 'ls'

/** A new token's text, with 256 random bits. */
export const createToken = (kind: TokenKind): string =>
  `${kind}_${randomBytes(32).toString('base64url')}`

/** What is stored of a token: no plain hash of so many random bits can be searched. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()
