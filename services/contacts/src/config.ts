import { addressOf, type BaseConfig, type Environment, readEnvironment, retentionDays } from '@lockstep/service'
import { z } from 'zod'

const environment = z.object({
  LOCKSTEP_IMPORT_RETENTION_DAYS: retentionDays(1, 90),
  LOCKSTEP_CONSENT_RETENTION_DAYS: retentionDays(400, 1_826),
})

export interface Config extends BaseConfig {
  campaignsAddress: string
  /** So long after its end an import and its refused rows are kept. */
  importRetentionDays: number
  /** So long after the same person said the same again a statement is kept; the last word stays. */
  consentRetentionDays: number
}

/** Reads the environment once; throws `invalid` naming what is wrong. */
export function readConfig(env: Environment): Config {
  const { base, own } = readEnvironment(env, 'contacts', environment)
  return {
    ...base,
    campaignsAddress: addressOf(env, 'campaigns'),
    importRetentionDays: own.LOCKSTEP_IMPORT_RETENTION_DAYS,
    consentRetentionDays: own.LOCKSTEP_CONSENT_RETENTION_DAYS,
  }
}
