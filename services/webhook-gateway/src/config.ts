import {
  type ConfigOf,
  encryptionKey,
  list,
  platformKey,
  port,
  serviceConfig,
} from '@lockstep/service'

export const config = serviceConfig({
  encryptionKey,
  platformKey,
  httpPort: port.default(8080).describe("Where Meta's webhooks arrive; 0 takes any free port"),
  trustedProxies: list.describe(
    'Addresses or networks (CIDR) of load balancers, with commas; their X-Forwarded-For is used',
  ),
})
export type Config = ConfigOf<typeof config>
