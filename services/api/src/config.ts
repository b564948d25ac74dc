import { type ConfigOf, port, serviceConfig } from '@lockstep/service'

export const config = serviceConfig({
  httpPort: port.default(8000).describe('The public API; 0 takes any free port'),
})
export type Config = ConfigOf<typeof config>
