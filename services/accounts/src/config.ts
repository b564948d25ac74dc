import {
  addressOf,
  type BaseConfig,
  type Environment,
  graphEnvironment,
  keySchema,
  parseEnvironment,
  readBaseConfig,
} from '@lockstep/service'
import { z } from 'zod'

const environment = z.object({ LOCKSTEP_ENCRYPTION_KEY: keySchema, ...graphEnvironment })

export interface Config extends BaseConfig {
  encryptionKey: Buffer
  graphUrl: string
  graphVersion: string
  gatewayAddress: string
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const base = readBaseConfig(env, 'accounts')
  const e = parseEnvironment(environment, env, 'accounts')
  return {
    ...base,
    encryptionKey: e.LOCKSTEP_ENCRYPTION_KEY,
    graphUrl: e.LOCKSTEP_GRAPH_URL,
    graphVersion: e.LOCKSTEP_GRAPH_VERSION,
    gatewayAddress: addressOf(env, 'webhook-gateway'),
  }
}
