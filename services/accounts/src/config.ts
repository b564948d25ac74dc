import {
  type ConfigOf,
  encryptionKey,
  graphVariables,
  mailVariables,
  providerVariables,
  retentionDays,
  serviceConfig,
  url,
} from '@lockstep/service'

export const config = serviceConfig({
  encryptionKey,
  accountEventRetentionDays: retentionDays(30, 400).describe(
    'How long after its receipt an account event is kept',
  ),
  auditRetentionDays: retentionDays(30, 400).describe('How long an entry of the audit log is kept'),
  webhookUrl: url('https://webhooks.example.com')
    .optional()
    .describe(
      'Where Meta reaches the webhook-gateway; without it the webhooks of an app are not checked',
    ),
  publicUrl: url('https://lockstep.example.com')
    .optional()
    .describe(
      'Where browsers reach the API; must be set where links are mailed, or a provider signs people in',
    ),
  ...mailVariables,
  ...providerVariables,
  ...graphVariables,
})
export type Config = ConfigOf<typeof config>
