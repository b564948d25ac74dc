import { createHash } from 'node:crypto'

/**
 * What is stored of an API key. Its text has 256 random bits, so that a plain hash can't be
 * searched.
 */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
