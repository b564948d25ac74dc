import { callLimits } from '@lockstep/contracts'
import { type ConfigOf, integer, list, port, serviceConfig, url } from '@lockstep/service'

export const config = serviceConfig({
  httpPort: port.default(8000).describe('The public API; 0 takes any free port'),
  publicUrl: url('https://lockstep.example.com').describe(
    'Where browsers reach the API; with http: cookies go without TLS, for a development machine',
  ),
  trustedProxies: list.describe(
    'Addresses or networks of proxies whose X-Forwarded-For is believed, with commas between',
  ),
  keyCallsPerMinute: integer(4, 10_000_000)
    .default(callLimits.api_caller.perMinute)
    .describe('Requests a minute with one API key or of one person, a quarter of them at once'),
  accountCallsPerMinute: integer(4, 10_000_000)
    .default(callLimits.api_account.perMinute)
    .describe('Requests a minute of one account, a quarter of them at once'),
})
export type Config = ConfigOf<typeof config>
