import { type ConfigOf, list, port, serviceConfig, url } from '@lockstep/service'

export const config = serviceConfig({
  httpPort: port.default(8000).describe('The public API; 0 takes any free port'),
  publicUrl: url('https://lockstep.example.com').describe(
    'Where browsers reach the API; with http: cookies go without TLS, for a development machine',
  ),
  trustedProxies: list.describe(
    'Addresses or networks of proxies whose X-Forwarded-For is believed, with commas between',
  ),
})
export type Config = ConfigOf<typeof config>
