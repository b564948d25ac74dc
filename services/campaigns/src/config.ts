import type { KeyRing } from '@lockstep/contracts'
import { addressOf, type BaseConfig, type Environment, graphEnvironment, keyRingSchema, readEnvironment } from '@lockstep/service'
import { z } from 'zod'

/** Messages of one campaign that may be under way at once, unless LOCKSTEP_SEND_CONCURRENCY says otherwise. */
export const defaultSendConcurrency = 256
/** Messages of all campaigns that may be under way at once in a process, unless LOCKSTEP_SEND_SOCKETS says otherwise. */
const defaultSendSockets = 1_024

const environment = z.object({
  LOCKSTEP_ENCRYPTION_KEY: keyRingSchema,
  LOCKSTEP_PLATFORM_KEY: keyRingSchema,
  LOCKSTEP_SEND_CONCURRENCY: z.coerce.number().int().min(1).max(1_000).default(defaultSendConcurrency),
  LOCKSTEP_SEND_SOCKETS: z.coerce.number().int().min(1).max(16_000).default(defaultSendSockets),
  LOCKSTEP_CAMPAIGN_RETENTION_DAYS: z.coerce.number().int().min(1).default(400),
  ...graphEnvironment,
})

export interface Config extends BaseConfig {
  /** Opens connections' tokens. */
  encryptionKey: KeyRing
  /** Signs the token that each message carries. */
  platformKey: KeyRing
  /** Messages of one campaign that may be under way at once. */
  sendConcurrency: number
  /** Connections to Meta, each for one message under way. */
  sendSockets: number
  /** So long after its end a campaign's recipients and attempts are kept. */
  retentionDays: number
  graphUrl: string
  graphVersion: string
  addresses: { accounts: string; contacts: string; templates: string; gateway: string }
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'campaigns', environment)
  return {
    ...base,
    encryptionKey: own.LOCKSTEP_ENCRYPTION_KEY,
    platformKey: own.LOCKSTEP_PLATFORM_KEY,
    sendConcurrency: own.LOCKSTEP_SEND_CONCURRENCY,
    sendSockets: own.LOCKSTEP_SEND_SOCKETS,
    retentionDays: own.LOCKSTEP_CAMPAIGN_RETENTION_DAYS,
    graphUrl: own.LOCKSTEP_GRAPH_URL,
    graphVersion: own.LOCKSTEP_GRAPH_VERSION,
    addresses: {
      accounts: addressOf(env, 'accounts'),
      contacts: addressOf(env, 'contacts'),
      templates: addressOf(env, 'templates'),
      gateway: addressOf(env, 'webhook-gateway'),
    },
  }
}
