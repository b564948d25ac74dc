import { type ConfigOf, retentionDays, serviceConfig } from '@lockstep/service'

export const config = serviceConfig({
  eventRetentionDays: retentionDays(1, 7).describe('How long events are kept, by whole days'),
})
export type Config = ConfigOf<typeof config>
