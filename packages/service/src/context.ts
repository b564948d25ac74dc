import { randomBytes } from 'node:crypto'
import { type Database, openDatabase, schemaOf } from '@lockstep/database'
import { createLimiter, createLocks, type Limiter, type Locks, openRedis } from '@lockstep/locks'
import { type Messaging, openMessagingSoon } from '@lockstep/messaging'
import { createLogger, type Logger, startTelemetry, type Telemetry } from '@lockstep/telemetry'
import type { Tokens } from '@lockstep/whatsapp'
import { followDatabaseClock } from './clock.ts'
import type { BaseConfig } from './config.ts'

/** What every door may use. A service's own context adds its clients and rules' inputs. */
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

/** What keeps concurrent work right. */
export type Guards = Pick<BaseContext, 'db' | 'locks' | 'limiter' | 'messaging'>

/** What a test may replace. */
export type BaseOverrides = Partial<Pick<BaseContext, 'now' | 'scale' | 'locks' | 'limiter' | 'log'>> & {
  /** Puts something around what was opened, as a test does that takes a guard away to see what it was good for. */
  around?: (opened: Guards) => Guards
  /** The tokens of a service that has some. */
  tokens?: Tokens
}

/** A start waits this long for NATS; then it goes on, for rows are the law. */
const natsPatienceMs = 2_000

type Entities = Parameters<typeof openDatabase>[1]

/** Opens what every service uses. Servers that are away at first are waited for by whoever needs them, not here. */
export async function createBaseContext(config: BaseConfig, entities: Entities, overrides: BaseOverrides = {}): Promise<BaseContext> {
  await using up = new AsyncDisposableStack()
  const scale = overrides.scale ?? 1
  const log = overrides.log ?? createLogger({ service: config.service, level: config.logLevel })
  const instanceId = `${config.service}-${randomBytes(6).toString('hex')}`
  const telemetry = up.use(startTelemetry({ service: config.service }))
  const db = up.use(await openDatabase({ url: config.postgresUrl, schema: schemaOf(config.service), poolSize: config.poolSize }, entities))
  const now = overrides.now ?? up.use(await followDatabaseClock({ db, log, scale })).now
  const redis = openRedis(config.redisUrl, { scale })
  up.defer(() => redis.disconnect())
  const locks = overrides.locks ?? up.use(await createLocks({ redis, instanceId, scale, onWarn: (message) => log.warn(message) }))
  const limiter = overrides.limiter ?? createLimiter({ redis, scale })
  const messaging = up.use(
    await openMessagingSoon(
      { url: config.natsUrl, name: instanceId, replicas: config.streamReplicas, scale, log, life: locks.life },
      natsPatienceMs,
    ),
  )
  const guards = { db, locks, limiter, messaging }
  const opened = up.move()
  return {
    config,
    log,
    ...(overrides.around?.(guards) ?? guards),
    telemetry,
    isRedisUp: () => redis.status === 'ready',
    now,
    scale,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
