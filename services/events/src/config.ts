import {
  type ConfigOf,
  developmentFlag,
  encryptionKey,
  integer,
  retentionDays,
  serviceConfig,
} from '@lockstep/service'

export const config = serviceConfig({
  encryptionKey,
  // A delivery is tried for 76 hours, and one may wait behind another.
  eventRetentionDays: retentionDays(5, 7).describe(
    'How long events and their deliveries are kept, by whole days',
  ),
  webhookDisableDays: integer(1, 30)
    .default(5)
    .describe('An endpoint that has accepted nothing for so many days is disabled'),
  webhooksAllowLocal: developmentFlag('Webhook endpoints may be on this machine and without TLS'),
})
export type Config = ConfigOf<typeof config>
