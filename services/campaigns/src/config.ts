import {
  type ConfigOf,
  encryptionKey,
  graphVariables,
  integer,
  platformKey,
  retentionDays,
  serviceConfig,
} from '@lockstep/service'

/**
 * Messages of one campaign that may be under way at once, unless the environment says otherwise.
 */
export const defaultSendConcurrency = 256

export const config = serviceConfig({
  encryptionKey,
  platformKey,
  sendConcurrency: integer(1, 1_000)
    .default(defaultSendConcurrency)
    .describe('Messages of one campaign that may be under way at once'),
  sendSockets: integer(1, 16_000)
    .default(1_024)
    .describe('Connections to Meta, each for one message under way'),
  campaignRetentionDays: retentionDays(1, 400).describe(
    "How long after its end a campaign's recipients and attempts are kept",
  ),
  ...graphVariables,
})
export type Config = ConfigOf<typeof config>
