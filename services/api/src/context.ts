import type { ServiceContext } from '@lockstep/service'
import { createKeyRing, type KeyRing } from './api-key.ts'
import type { Config } from './config.ts'

export const peers = ['accounts', 'campaigns', 'contacts', 'conversations', 'templates'] as const
type Base = ServiceContext<Config, (typeof peers)[number]>

interface Own {
  keys: KeyRing
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base): Own {
  return { keys: createKeyRing(base) }
}
