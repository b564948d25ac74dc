import {
  type ConfigOf,
  encryptionKey,
  graphVariables,
  retentionDays,
  serviceConfig,
} from '@lockstep/service'

export const config = serviceConfig({
  encryptionKey,
  accountEventRetentionDays: retentionDays(30, 400).describe(
    'How long after its receipt an account event is kept',
  ),
  auditRetentionDays: retentionDays(30, 400).describe('How long an entry of the audit log is kept'),
  ...graphVariables,
})
export type Config = ConfigOf<typeof config>
