import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/**
 * What shows Graph that a token is used by who has its app's secret: HMAC-SHA256 of the token, in
 * hex (Meta, graph-api/guides/secure-requests).
 */
export const appSecretProof = (token: string, secret: string): string =>
  createHmac('sha256', secret).update(token).digest('hex')

const prefix = 'sha256='

/** An app secret. As a KeyObject, made once, it is faster to sign with. */
export type AppSecret = string | KeyObject

/**
 * The value of `X-Hub-Signature-256` for these raw bytes: `sha256=` and 64 lowercase hex digits
 * (Meta, webhooks/create-webhook- endpoint).
 */
export function signBody(secret: AppSecret, raw: Uint8Array): string {
  return prefix + createHmac('sha256', secret).update(raw).digest('hex')
}

/**
 * True when one of the secrets signed exactly these bytes: Meta signs its body with non-ASCII
 * characters escaped, so a body that was parsed and written again would not match.
 */
export function verifySignature(
  raw: Uint8Array,
  header: string | undefined,
  secrets: readonly AppSecret[],
): boolean {
  if (header === undefined || !/^sha256=[0-9a-f]{64}$/.test(header)) return false
  const given = Buffer.from(header)
  let valid = false
  // No early exit: the time taken says nothing about which secret matched.
  for (const secret of secrets) {
    if (secret !== '' && timingSafeEqual(Buffer.from(signBody(secret, raw)), given)) valid = true
  }
  return valid
}
