import { createHash, randomBytes } from 'node:crypto'

/** A new key's text, with 256 random bits. */
export const createKeyText = (): string => `lk_${randomBytes(32).toString('base64url')}`

/** How a key's text begins, by which people tell keys apart. */
export const prefixOf = (key: string): string => key.slice(0, 7)

/** What is stored of an API key: no plain hash of so many random bits can be searched. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
