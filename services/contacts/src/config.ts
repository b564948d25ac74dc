import { type ConfigOf, encryptionKey, retentionDays, serviceConfig } from '@lockstep/service'

export const config = serviceConfig({
  encryptionKey,
  importRetentionDays: retentionDays(1, 90).describe(
    'How long after its end an import and its refused rows are kept',
  ),
  consentRetentionDays: retentionDays(400, 1_826).describe(
    'How long a statement is kept after the same person said the same again; the last word stays',
  ),
})
export type Config = ConfigOf<typeof config>
