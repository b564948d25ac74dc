import type { ServiceContext } from '@lockstep/service'
import { type ArrivalLimits, arrivalLimits } from './arrival.ts'
import { type Authenticator, createAuthenticator } from './authenticator.ts'
import type { Config } from './config.ts'
import { type Feeds, openFeeds } from './feeds.ts'
import { type OpenStreams, openStreams } from './live/open-streams.ts'
import { openTails, type Tails } from './live/tails.ts'
import type { times } from './times.ts'

export const peers = [
  'accounts',
  'campaigns',
  'contacts',
  'conversations',
  'events',
  'templates',
] as const
type Base = ServiceContext<Config, (typeof peers)[number], typeof times>

interface Own {
  authenticator: Authenticator
  arrival: ArrivalLimits
  tails: Tails
  streams: OpenStreams
  feeds: Feeds
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export function open(base: Base, stack: AsyncDisposableStack): Own {
  const tails = stack.use(openTails(base))
  const streams = stack.use(openStreams(base))
  const feeds = openFeeds(base.config, stack)
  return { authenticator: createAuthenticator(base), arrival: arrivalLimits, tails, streams, feeds }
}
