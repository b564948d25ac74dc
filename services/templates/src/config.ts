import {
  type ConfigOf,
  encryptionKey,
  graphVariables,
  retentionDays,
  serviceConfig,
} from '@lockstep/service'

export const config = serviceConfig({
  encryptionKey,
  templateSyncRetentionDays: retentionDays(1, 30).describe(
    "How long after its end a sync's run is kept; templates stay",
  ),
  ...graphVariables,
})
export type Config = ConfigOf<typeof config>
