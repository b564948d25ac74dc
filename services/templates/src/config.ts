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
  LOCKSTEP_TEMPLATE_SYNC_RETENTION_DAYS: retentionDays(1, 30),
  ...graphEnvironment,
})

export interface Config extends BaseConfig {
  encryptionKey: KeyRing
  /** So long after its end a sync's run is kept; templates stay. */
  syncRetentionDays: number
  graphUrl: string
  graphVersion: string
  accountsAddress: string
  gatewayAddress: string
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'templates', environment)
  return {
    ...base,
    encryptionKey: own.LOCKSTEP_ENCRYPTION_KEY,
    syncRetentionDays: own.LOCKSTEP_TEMPLATE_SYNC_RETENTION_DAYS,
    graphUrl: own.LOCKSTEP_GRAPH_URL,
    graphVersion: own.LOCKSTEP_GRAPH_VERSION,
    accountsAddress: addressOf(env, 'accounts'),
    gatewayAddress: addressOf(env, 'webhook-gateway'),
  }
}
