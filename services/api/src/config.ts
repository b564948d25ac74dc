import { addressOf, type BaseConfig, type Environment, readEnvironment } from '@lockstep/service'
import { z } from 'zod'

const environment = z.object({ LOCKSTEP_HTTP_PORT: z.coerce.number().int().min(0).max(65_535).default(8000) })

export interface Config extends BaseConfig {
  /** Where the public API is served; 0 takes any free port. */
  httpPort: number
  addresses: { accounts: string; contacts: string; templates: string; campaigns: string; conversations: string }
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'api', environment)
  return {
    ...base,
    httpPort: own.LOCKSTEP_HTTP_PORT,
    addresses: {
      accounts: addressOf(env, 'accounts'),
      contacts: addressOf(env, 'contacts'),
      templates: addressOf(env, 'templates'),
      campaigns: addressOf(env, 'campaigns'),
      conversations: addressOf(env, 'conversations'),
    },
  }
}
