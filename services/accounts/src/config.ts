import type { KeyRing } from '@lockstep/contracts'
import {
  addressOf,
  type BaseConfig,
  type Environment,
  graphEnvironment,
  keyRingSchema,
  readEnvironment,
  retentionDays,
} from '@lockstep/service'
import { z } from 'zod'

const environment = z.object({
  LOCKSTEP_ENCRYPTION_KEY: keyRingSchema,
  LOCKSTEP_ACCOUNT_EVENT_RETENTION_DAYS: retentionDays(30, 400),
  ...graphEnvironment,
})

export interface Config extends BaseConfig {
  encryptionKey: KeyRing
  /** So long after it was received an account event is kept. */
  eventRetentionDays: number
  graphUrl: string
  graphVersion: string
  gatewayAddress: string
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'accounts', environment)
  return {
    ...base,
    encryptionKey: own.LOCKSTEP_ENCRYPTION_KEY,
    eventRetentionDays: own.LOCKSTEP_ACCOUNT_EVENT_RETENTION_DAYS,
    graphUrl: own.LOCKSTEP_GRAPH_URL,
    graphVersion: own.LOCKSTEP_GRAPH_VERSION,
    gatewayAddress: addressOf(env, 'webhook-gateway'),
  }
}
