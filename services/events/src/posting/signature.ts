import { createHmac, randomBytes } from 'node:crypto'

const prefix = 'whsec_'
const secretBytes = 32

/** A secret as Standard Webhooks has it: `whsec_` and base64. */
export const createSecret = (): string => prefix + randomBytes(secretBytes).toString('base64')

/** A signature of Standard Webhooks, version 1; `timestamp` is in seconds. */
export function signatureOf(
  secret: string,
  { id, timestamp, body }: { id: string; timestamp: number; body: string },
): string {
  const key = Buffer.from(secret.slice(prefix.length), 'base64')
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return `v1,${mac}`
}
