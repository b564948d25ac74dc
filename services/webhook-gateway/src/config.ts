import type { KeyRing } from '@lockstep/contracts'
import { addressOf, type BaseConfig, type Environment, keyRingSchema, readEnvironment } from '@lockstep/service'
import { z } from 'zod'

const environment = z.object({
  LOCKSTEP_ENCRYPTION_KEY: keyRingSchema,
  LOCKSTEP_PLATFORM_KEY: keyRingSchema,
  LOCKSTEP_HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  LOCKSTEP_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((each) => each.trim() || [])),
})

export interface Config extends BaseConfig {
  /** Opens the app secrets that `accounts` sealed. */
  encryptionKey: KeyRing
  /** Proves that a token in a status is one of ours. */
  platformKey: KeyRing
  /** Where Meta's webhooks arrive; 0 takes any free port. */
  httpPort: number
  accountsAddress: string
  /** Addresses or networks (CIDR) of the load balancers before it, whose X-Forwarded-For says who asks; each client has a share. */
  trustedProxies?: string[]
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'webhook-gateway', environment)
  return {
    ...base,
    encryptionKey: own.LOCKSTEP_ENCRYPTION_KEY,
    platformKey: own.LOCKSTEP_PLATFORM_KEY,
    httpPort: own.LOCKSTEP_HTTP_PORT,
    accountsAddress: addressOf(env, 'accounts'),
    trustedProxies: own.LOCKSTEP_TRUSTED_PROXIES,
  }
}
