import { Secret, TOTP } from 'otpauth'

/** RFC 6238 as authenticator apps have it: SHA-1, 6 digits, 30 s. */
const settings = { issuer: 'Lockstep', algorithm: 'SHA1', digits: 6, period: 30 } as const
const secretBytes = 20
/** A code of the 30 s before or after is taken too: clocks differ, and people type. */
const window = 1

/** A new secret, in base32. */
export const createTotpSecret = (): string => new Secret({ size: secretBytes }).base32

/** What an authenticator app reads from a QR code. */
export const totpUri = (secret: string, email: string): string =>
  new TOTP({ ...settings, secret, label: email }).toString()

/** The 30 s since the epoch to which a code belongs; null for a wrong one. */
export function stepOf(secret: string, code: string, nowMs: number): number | null {
  const digits = code.replaceAll(/\s/g, '')
  if (!/^\d{6}$/.test(digits)) return null
  const totp = new TOTP({ ...settings, secret })
  const delta = totp.validate({ token: digits, timestamp: nowMs, window })
  return delta === null ? null : totp.counter({ timestamp: nowMs }) + delta
}
