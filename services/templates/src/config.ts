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
  accountsAddress: string
  gatewayAddress: string
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const base = readBaseConfig(env, 'templates')
  const e = parseEnvironment(environment, env, 'templates')
  return {
    ...base,
    encryptionKey: e.LOCKSTEP_ENCRYPTION_KEY,
    graphUrl: e.LOCKSTEP_GRAPH_URL,
    graphVersion: e.LOCKSTEP_GRAPH_VERSION,
    accountsAddress: addressOf(env, 'accounts'),
    gatewayAddress: addressOf(env, 'webhook-gateway'),
  }
}
