import { lanes, type ServiceName } from '@lockstep/contracts'
import { connect, type RpcClient } from '@lockstep/rpc'
import { FeedDefinition } from '@lockstep/rpc/gen/feed'
import type { Config } from './config.ts'

/** The feeds of the services that have lanes, by service. */
export type Feeds = Partial<Record<ServiceName, RpcClient<typeof FeedDefinition>>>

/** Clients, which connect at their first call. */
export function openFeeds(
  { addresses, tls }: Pick<Config, 'addresses' | 'tls'>,
  stack: AsyncDisposableStack,
): Feeds {
  const producers = new Set(Object.values(lanes).map(({ producer }) => producer))
  const clients = [...producers].map((service) => {
    const client = connect(FeedDefinition, addresses[service], tls ?? undefined)
    return [service, stack.use(client)] as const
  })
  return Object.fromEntries(clients)
}
