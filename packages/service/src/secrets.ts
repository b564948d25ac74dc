import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError, type SecretPlace } from '@lockstep/contracts'

export interface Secrets {
  seal(text: string, place: SecretPlace): Buffer
  /** Throws `internal` for another key, another place or changed bytes. */
  open(sealed: Uint8Array, place: SecretPlace): string
}

const version = 1
const nonceBytes = 12
const tagBytes = 16

const aad = (place: SecretPlace, keyVersion: number) => Buffer.from(JSON.stringify([place.table, place.row, place.accountId, keyVersion]))

/** AES-256-GCM: one byte of key version, 12 of nonce, 16 of tag, then the ciphertext. */
export function createSecrets(key: Buffer): Secrets {
  return {
    seal(text, place) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad(place, version))
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.from([version]), nonce, cipher.getAuthTag(), sealed])
    },
    open(sealed, place) {
      const bytes = Buffer.from(sealed)
      const nonce = bytes.subarray(1, 1 + nonceBytes)
      const tag = bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes)
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }) // else a shorter tag would do
          .setAAD(aad(place, bytes[0] ?? 0))
          .setAuthTag(tag)
        return decipher.update(bytes.subarray(1 + nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8')
      } catch (cause) {
        throw new AppError(
          'internal',
          `A secret of ${place.table} can't be opened: check that LOCKSTEP_ENCRYPTION_KEY is the one it was sealed with`,
          {
            cause,
            details: { table: place.table, row: place.row },
          },
        )
      }
    },
  }
}
