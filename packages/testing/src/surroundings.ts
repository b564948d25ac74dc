import { type ServiceName, services } from '@lockstep/contracts'
import { type BaseConfig, readConfig, type ServiceConfig } from '@lockstep/service'
import { environmentOf, type PortPlan, type Surroundings } from '@lockstep/system'
import { certificateOf } from './certificates.ts'
import type { World } from './world.ts'

export interface SurroundingsOptions {
  /** Where Meta is simulated; nowhere by default. */
  graphUrl?: string
  /** Further environment variables, for every service. */
  environment?: Readonly<Record<string, string>> | undefined
  /** Numbers are connected only once Meta's handshake with the gateway has succeeded. */
  checksWebhooks?: boolean | undefined
  /** Services have certificates. */
  tls?: boolean | undefined
}

/** What services need to know of a world. */
export function surroundingsOf(world: World, options: SurroundingsOptions = {}): Surroundings {
  return {
    postgresUrl: world.roleUrl,
    natsUrl: world.nats.url,
    redisUrl: world.redis.url,
    graphUrl: options.graphUrl ?? 'http://127.0.0.1:9',
    encryptionKey: world.encryptionKey.toString('hex'),
    platformKey: world.platformKey.toString('hex'),
    logLevel: process.env.LOCKSTEP_TEST_LOG ?? 'silent',
    environment: options.environment,
    checksWebhooks: options.checksWebhooks,
    ...(options.tls && { tls: certificateOf }),
  }
}

/** Any free ports for a service itself, and no service at the addresses of others. */
const anyPorts = {
  LOCKSTEP_GRPC_PORT: '0',
  LOCKSTEP_HEALTH_PORT: '0',
  LOCKSTEP_HTTP_PORT: '0',
  LOCKSTEP_POOL_SIZE: '5',
  LOCKSTEP_DRAIN_MS: '5000',
}
const nowhere = Object.fromEntries(
  services.map((service) => [service, { grpc: 9, health: 9, http: 9 }]),
) as PortPlan

/**
 * A service's configuration in a world without other services, for `openContext` and
 * `startService`. `environment` may name the addresses of those that it calls.
 */
export function configIn(
  world: World,
  service: { name: ServiceName; config: ServiceConfig },
  environment: Readonly<Record<string, string>> = {},
): BaseConfig & Record<string, unknown> {
  const around = surroundingsOf(world, { environment: { ...anyPorts, ...environment } })
  return readConfig(service, environmentOf(service.name, nowhere, around))
}
