import { addressOf, type BaseConfig, type Environment, readBaseConfig } from '@lockstep/service'

export interface Config extends BaseConfig {
  campaignsAddress: string
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  return { ...readBaseConfig(env, 'contacts'), campaignsAddress: addressOf(env, 'campaigns') }
}
