import { Channel, type ChannelCredentials, type ChannelOptions, experimental } from '@grpc/grpc-js'
import { maxMessageBytes } from './call.ts'

type Endpoints = { addresses: { host: string; port: number }[] }[]
type ResolverClass = Parameters<typeof experimental.registerResolver>[1]
type Listener = ConstructorParameters<ResolverClass>[1]
type Target = ConstructorParameters<ResolverClass>[0]

const options: ChannelOptions = {
  // With its default, a client keeps to the first address that it finds: one of two replicas would
  // get all calls.
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  'grpc.service_config_disable_resolution': 1,
  'grpc.dns_min_time_between_resolutions_ms': 5_000,
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.keepalive_time_ms': 20_000,
}

/**
 * A channel to `host:port`, or to several of them with commas between; calls take turns over every
 * address that the names have. A name is looked up again when a connection ends, which servers see
 * to.
 */
export function openChannel(address: string, credentials: ChannelCredentials): Channel {
  if (!address.includes(',')) return new Channel(`dns:${address}`, credentials, options)
  experimental.registerResolver(listScheme, ListResolver)
  return new Channel(`${listScheme}:${address}`, credentials, options)
}

const listScheme = 'lockstep-list'
const targetsOf = ({ path }: Target): Target[] =>
  path.split(',').map((part) => ({ scheme: 'dns', path: part.trim() }))

/** Looks up each address by itself; one that can't be found takes nothing from the others. */
class ListResolver implements InstanceType<ResolverClass> {
  readonly #found: (Endpoints | null)[]
  readonly #resolvers: InstanceType<ResolverClass>[]

  constructor(target: Target, listener: Listener, channelOptions: ChannelOptions) {
    const targets = targetsOf(target)
    this.#found = targets.map(() => null)
    this.#resolvers = targets.map((each, i) => {
      const heard: Listener = (answer, attributes, config, note) => {
        if (answer.ok) this.#found[i] = answer.value as Endpoints
        const all = this.#found.flatMap((endpoints) => endpoints ?? [])
        if (all.length > 0)
          return listener(experimental.statusOrFromValue(all), attributes, config, note)
        return answer.ok || listener(answer, attributes, config, note)
      }
      return experimental.createResolver(each, heard, channelOptions)
    })
  }

  updateResolution(): void {
    for (const resolver of this.#resolvers) resolver.updateResolution()
  }

  destroy(): void {
    for (const resolver of this.#resolvers) resolver.destroy()
  }

  /** With TLS a server must have a certificate for the first name of the list. */
  static getDefaultAuthority(target: Target): string {
    return targetsOf(target)[0]!.path
  }
}
