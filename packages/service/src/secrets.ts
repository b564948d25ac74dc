import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import {
  AppError,
  type KeyRing,
  type RingKey,
  ringKeys,
  type SecretPlace,
} from '@lockstep/contracts'

export interface Secrets {
  /** The id of the key that seals. */
  keyId: number
  /** Those of all keys that open, the one that seals first. */
  keyIds: number[]
  /** By the ring's first key. */
  seal(text: string, place: SecretPlace): Buffer
  /** Throws `internal` for an unknown key, another place or changed bytes. */
  open(sealed: Uint8Array, place: SecretPlace): string
}

const nonceBytes = 12
const tagBytes = 16

/** The id of the key that a secret was sealed with; 0 for none. */
export const keyIdOf = (sealed: Uint8Array): number => sealed[0] ?? 0

const aad = (place: SecretPlace, keyId: number) =>
  Buffer.from(JSON.stringify([place.table, place.row, place.accountId, keyId]))

/** AES-256-GCM: one byte of key id, 12 of nonce, 16 of tag, then the ciphertext. */
export function createSecrets(ring: KeyRing): Secrets {
  const keys = ringKeys(ring)
  const newest = keys[0]!
  return {
    keyId: newest.id,
    keyIds: keys.map(({ id }) => id),
    seal(text, place) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', newest.key, nonce).setAAD(aad(place, newest.id))
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.from([newest.id]), nonce, cipher.getAuthTag(), sealed])
    },
    open(sealed, place) {
      const keyId = keyIdOf(sealed)
      const key = keys.find(({ id }) => id === keyId)
      const what = `A secret of ${place.table} can't be opened`
      const details = { table: place.table, row: place.row, keyId }
      if (!key)
        throw new AppError(
          'internal',
          `${what}: LOCKSTEP_ENCRYPTION_KEY has no key ${keyId}, with which it was sealed`,
          { details },
        )
      try {
        return unseal(key, Buffer.from(sealed), place)
      } catch (cause) {
        throw new AppError(
          'internal',
          `${what}: check that key ${keyId} of LOCKSTEP_ENCRYPTION_KEY is the one it was sealed with`,
          {
            cause,
            details,
          },
        )
      }
    },
  }
}

function unseal({ id, key }: RingKey, bytes: Buffer, place: SecretPlace): string {
  const nonce = bytes.subarray(1, 1 + nonceBytes)
  const tag = bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }) // else a shorter tag would do
    .setAAD(aad(place, id))
    .setAuthTag(tag)
  return (
    decipher.update(bytes.subarray(1 + nonceBytes + tagBytes), undefined, 'utf8') +
    decipher.final('utf8')
  )
}
