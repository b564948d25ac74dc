import { createHash, randomBytes } from 'node:crypto'

/** What a text begins with, so that people and scanners know it: API key, invitation, reset, session. */
type TokenKind = 'lk' | 'li' | 'lr' | 'ls'

/** A new token's text, with 256 random bits. */
export const createToken = (kind: TokenKind): string =>
  `${kind}_${randomBytes(32).toString('base64url')}`

/** How a text begins, by which people tell keys apart. */
export const prefixOf = (token: string): string => token.slice(0, 7)

/** What is stored of a token: no plain hash of so many random bits can be searched. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()
