import { randomBytes } from 'node:crypto'
import { type Database, openDatabase, schemaOf } from '@lockstep/database'
import { createLimiter, createLocks, type Limiter, type Locks, openRedis } from '@lockstep/locks'
import { type Messaging, openMessagingWithin } from '@lockstep/messaging'
import { connectPeers, type PeerName, type Peers } from '@lockstep/rpc'
import { createLogger, type Logger, startTelemetry, type Telemetry } from '@lockstep/telemetry'
import type { Tokens } from '@lockstep/whatsapp'
import { followDatabaseClock } from './clock.ts'
import type { BaseConfig } from './config.ts'
import { owning } from './owning.ts'

/** What every endpoint may use. */
export interface BaseContext extends AsyncDisposable {
  config: BaseConfig
  log: Logger
  db: Database
  locks: Locks
  limiter: Limiter
  messaging: Messaging
  telemetry: Telemetry
  /** Whether Redis answers; locks and limits are refused while it doesn't. */
  isRedisUp: () => boolean
  /** PostgreSQL's clock, ms: the same in all processes, whatever their own say. */
  now: () => number
  /** All times (TTLs, ack waits, sweeps) are multiplied by it; 1 but in tests. */
  scale: number
}

/** A service's times in ms, by name; in its context they are multiplied by `scale`. */
export type Times = Readonly<Record<string, number>>

/** What the endpoints of one service may use, beside what its `open` adds. */
export interface ServiceContext<
  Config extends BaseConfig = BaseConfig,
  Peer extends PeerName = never,
  Declared extends Times = Times,
> extends BaseContext {
  config: Config
  /** Clients of the services that this one calls. */
  peers: Peers<Peer>
  times: { readonly [Name in keyof Declared]: number }
}

/** What keeps concurrent work right. */
export type Guards = Pick<BaseContext, 'db' | 'locks' | 'limiter' | 'messaging'>

/** What a test may replace. */
export type BaseOverrides = Partial<
  Pick<BaseContext, 'now' | 'scale' | 'locks' | 'limiter' | 'log'>
> & {
  /** Puts something around what was opened, e.g. to take a guard away. */
  around?: (opened: Guards) => Guards
  /** Times of the services by name, ms, as they are: `scale` does not touch them. */
  times?: Times
  /** The tokens of a service that has some. */
  tokens?: Tokens
  /** Takes the place of what the service's own `open` gave, by name. */
  own?: Record<string, unknown>
}

/** A start waits this long for NATS; then it goes on, for rows are the law. */
const natsWaitMs = 2_000

export type Entities = Parameters<typeof openDatabase>[1]

/** Waits for no server: who needs one waits for it. */
export async function createBaseContext(
  config: BaseConfig,
  entities: Entities,
  overrides: BaseOverrides = {},
): Promise<BaseContext> {
  await using stack = new AsyncDisposableStack()
  const scale = overrides.scale ?? 1
  const log = overrides.log ?? createLogger({ service: config.service, level: config.logLevel })
  const instanceId = `${config.service}-${randomBytes(6).toString('hex')}`
  const telemetry = stack.use(startTelemetry({ service: config.service }))
  const db = stack.use(
    await openDatabase(
      { url: config.postgresUrl, schema: schemaOf(config.service), poolSize: config.poolSize },
      entities,
    ),
  )
  const now = overrides.now ?? stack.use(await followDatabaseClock({ db, log, scale })).now
  const redis = openRedis(config.redisUrl, { scale })
  stack.defer(() => redis.disconnect())
  const locks =
    overrides.locks ??
    stack.use(
      await createLocks({ redis, instanceId, scale, onWarn: (message) => log.warn(message) }),
    )
  const limiter = overrides.limiter ?? createLimiter({ redis, scale })
  const messaging = stack.use(
    await openMessagingWithin(
      {
        url: config.natsUrl,
        name: instanceId,
        replicas: config.streamReplicas,
        scale,
        log,
        liveness: locks.liveness,
      },
      natsWaitMs,
    ),
  )
  const guards = { db, locks, limiter, messaging }
  const isRedisUp = () => redis.status === 'ready'
  return owning(
    { config, log, ...(overrides.around?.(guards) ?? guards), telemetry, isRedisUp, now, scale },
    stack,
  )
}

/** Opens what every service uses, and clients of the services that this one calls. */
export async function createServiceContext<
  Config extends BaseConfig,
  Peer extends PeerName,
  Declared extends Times,
>(
  config: Config,
  { entities, peers, times }: { entities: Entities; peers: readonly Peer[]; times: Declared },
  overrides: BaseOverrides = {},
): Promise<ServiceContext<Config, Peer, Declared>> {
  await using stack = new AsyncDisposableStack()
  const base = stack.use(await createBaseContext(config, entities, overrides))
  const clients = stack.use(
    await connectPeers(peers, (peer) => config.addresses[peer], config.tls ?? undefined),
  )
  const inUse = Object.fromEntries(
    Object.entries(times).map(([name, ms]) => [name, overrides.times?.[name] ?? ms * base.scale]),
  )
  return owning(
    {
      ...base,
      config,
      peers: clients,
      times: inUse as ServiceContext<Config, Peer, Declared>['times'],
    },
    stack,
  )
}
