import { createHash } from 'node:crypto'
import { Secret } from 'otpauth'

const count = 10
const bytes = 10

/** Such as `k3jx-7hqa-m2vd-tz5e`, with 80 random bits each. */
export const createRecoveryCodes = (): string[] =>
  Array.from({ length: count }, () =>
    new Secret({ size: bytes }).base32.toLowerCase().replaceAll(/(.{4})(?=.)/g, '$1-'),
  )

/** SHA-256 of its letters and digits, however they were typed: nobody searches 80 random bits. */
export const hashRecoveryCode = (code: string): Buffer =>
  createHash('sha256')
    .update(code.toLowerCase().replaceAll(/[^a-z0-9]/g, ''))
    .digest()
