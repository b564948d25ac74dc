import { addressOf, type BaseConfig, type Environment, readEnvironment, retentionDays } from '@lockstep/service'
import { z } from 'zod'

/** No less than 30: what the gateway keeps of a message's webhook is gone before the message is. */
const environment = z.object({ LOCKSTEP_MESSAGE_RETENTION_DAYS: retentionDays(30, 400) })

export interface Config extends BaseConfig {
  accountsAddress: string
  contactsAddress: string
  campaignsAddress: string
  gatewayAddress: string
  /** So long after it was received a message is kept; its conversation stays. */
  messageRetentionDays: number
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'conversations', environment)
  return {
    ...base,
    accountsAddress: addressOf(env, 'accounts'),
    contactsAddress: addressOf(env, 'contacts'),
    campaignsAddress: addressOf(env, 'campaigns'),
    gatewayAddress: addressOf(env, 'webhook-gateway'),
    messageRetentionDays: own.LOCKSTEP_MESSAGE_RETENTION_DAYS,
  }
}
