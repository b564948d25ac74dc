import { AppError, type ServiceName } from '@lockstep/contracts'
import { z } from 'zod'

const port = z.coerce.number().int().min(0).max(65_535)
const truthy = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')

/** The environment that every service reads; production needs TLS files or says outright that it goes without. */
const baseEnvironment = z.object({
  LOCKSTEP_POSTGRES_URL: z.url(),
  LOCKSTEP_NATS_URL: z.url(),
  LOCKSTEP_REDIS_URL: z.url(),
  LOCKSTEP_HOST: z.string().default('0.0.0.0'),
  LOCKSTEP_GRPC_PORT: port.default(7000),
  LOCKSTEP_HEALTH_PORT: port.default(7080),
  LOCKSTEP_GRPC_TLS_CA: z.string().optional(),
  LOCKSTEP_GRPC_TLS_CERT: z.string().optional(),
  LOCKSTEP_GRPC_TLS_KEY: z.string().optional(),
  LOCKSTEP_GRPC_PLAINTEXT: truthy,
  LOCKSTEP_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LOCKSTEP_STREAM_REPLICAS: z.coerce.number().int().min(1).max(5).default(3),
  LOCKSTEP_POOL_SIZE: z.coerce.number().int().min(2).max(100).default(10),
  LOCKSTEP_DRAIN_MS: z.coerce.number().int().min(0).default(15_000),
})

export interface BaseConfig {
  service: ServiceName
  postgresUrl: string
  natsUrl: string
  redisUrl: string
  host: string
  /** 0 takes any free port; the started service says which. */
  grpcPort: number
  healthPort: number
  tls: { ca: string; cert: string; key: string } | null
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  streamReplicas: number
  poolSize: number
  /** How long a stop waits for running jobs. */
  drainMs: number
}

export type Environment = Record<string, string | undefined>

/** Reads what all services share; throws `invalid` naming each wrong variable and what it must be. */
export function readBaseConfig(env: Environment, service: ServiceName): BaseConfig {
  const e = parseEnvironment(baseEnvironment, env, service)
  return {
    service,
    postgresUrl: e.LOCKSTEP_POSTGRES_URL,
    natsUrl: e.LOCKSTEP_NATS_URL,
    redisUrl: e.LOCKSTEP_REDIS_URL,
    host: e.LOCKSTEP_HOST,
    grpcPort: e.LOCKSTEP_GRPC_PORT,
    healthPort: e.LOCKSTEP_HEALTH_PORT,
    tls: readTls(e),
    logLevel: e.LOCKSTEP_LOG_LEVEL,
    streamReplicas: e.LOCKSTEP_STREAM_REPLICAS,
    poolSize: e.LOCKSTEP_POOL_SIZE,
    drainMs: e.LOCKSTEP_DRAIN_MS,
  }
}

function readTls(e: z.infer<typeof baseEnvironment>): BaseConfig['tls'] {
  const { LOCKSTEP_GRPC_TLS_CA: ca, LOCKSTEP_GRPC_TLS_CERT: cert, LOCKSTEP_GRPC_TLS_KEY: key } = e
  if (ca && cert && key) return { ca, cert, key }
  if (e.LOCKSTEP_GRPC_PLAINTEXT) return null
  throw new AppError(
    'invalid',
    'Calls between services need mutual TLS: set LOCKSTEP_GRPC_TLS_CA, _CERT and _KEY to files, or LOCKSTEP_GRPC_PLAINTEXT=true on a development machine',
  )
}

/** Parses a service's environment with zod; throws `invalid` naming each wrong variable and what it must be. */
export function parseEnvironment<Schema extends z.ZodType>(schema: Schema, env: Environment, service: string): z.infer<Schema> {
  const parsed = schema.safeParse(env)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new AppError('invalid', `${service} can't start, its environment is wrong:\n${problems.join('\n')}`)
}

/** host:port of another service, from LOCKSTEP_<SERVICE>_ADDRESS; by default its name, as in Kubernetes. */
export function addressOf(env: Environment, service: ServiceName): string {
  return env[`LOCKSTEP_${service.replaceAll('-', '_').toUpperCase()}_ADDRESS`] ?? `${service}:7000`
}

/** 32 bytes, as 64 hex digits, from a variable that has no default. */
export const keySchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'must be 32 bytes as 64 hex digits, e.g. from: openssl rand -hex 32')
  .transform((hex) => Buffer.from(hex, 'hex'))

/** Where Meta's Graph API is; only a simulator changes the URL. */
export const graphEnvironment = {
  LOCKSTEP_GRAPH_URL: z.url().default('https://graph.facebook.com'),
  LOCKSTEP_GRAPH_VERSION: z
    .string()
    .regex(/^v\d+\.\d+$/, 'must look like v24.0')
    .default('v24.0'),
}
