import type { ServiceContext } from '@lockstep/service'
import type { Config } from './config.ts'
import type { times } from './times.ts'

export const peers = ['accounts', 'campaigns', 'contacts'] as const

/** What the endpoints of this service may use. */
export type Context = ServiceContext<Config, (typeof peers)[number], typeof times>
