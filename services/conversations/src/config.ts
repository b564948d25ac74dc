import { addressOf, type BaseConfig, type Environment, readBaseConfig } from '@lockstep/service'

export interface Config extends BaseConfig {
  accountsAddress: string
  contactsAddress: string
  campaignsAddress: string
  gatewayAddress: string
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  return {
    ...readBaseConfig(env, 'conversations'),
    accountsAddress: addressOf(env, 'accounts'),
    contactsAddress: addressOf(env, 'contacts'),
    campaignsAddress: addressOf(env, 'campaigns'),
    gatewayAddress: addressOf(env, 'webhook-gateway'),
  }
}
