import type { ServiceContext } from '@lockstep/service'
import type { Config } from './config.ts'

/** What the endpoints of this service may use. */
export type Context = ServiceContext<Config>
