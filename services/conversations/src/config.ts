import { type ConfigOf, retentionDays, serviceConfig } from '@lockstep/service'

export const config = serviceConfig({
  // No less than 30: what the gateway keeps of a message's webhook is gone before the message is.
  messageRetentionDays: retentionDays(30, 400).describe(
    'How long after its receipt a message is kept; its conversation stays',
  ),
})
export type Config = ConfigOf<typeof config>
