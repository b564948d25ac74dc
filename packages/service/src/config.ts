import { AppError, type RingKey, type ServiceName } from '@lockstep/contracts'
import { z } from 'zod'

const integer = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}
const port = integer(0, 65_535)
/** How many days rows are kept. */
export const retentionDays = (min: number, byDefault: number) => integer(min, 36_500).default(byDefault)
const url = (example: string) => z.url({ error: `must be a URL such as ${example}` })
const truthy = z
  .enum(['true', 'false'], { error: 'must be true or false' })
  .default('false')
  .transform((text) => text === 'true')
const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** The environment that every service reads; production needs TLS files or says outright that it goes without. */
const baseEnvironment = z.object({
  LOCKSTEP_POSTGRES_URL: url('postgres://contacts:…@postgres:5432/lockstep'),
  LOCKSTEP_NATS_URL: url('nats://nats:4222'),
  LOCKSTEP_REDIS_URL: url('redis://redis:6379'),
  LOCKSTEP_HOST: z.string().default('0.0.0.0'),
  LOCKSTEP_GRPC_PORT: port.default(7000),
  LOCKSTEP_HEALTH_PORT: port.default(7080),
  LOCKSTEP_GRPC_TLS_CA: z.string().optional(),
  LOCKSTEP_GRPC_TLS_CERT: z.string().optional(),
  LOCKSTEP_GRPC_TLS_KEY: z.string().optional(),
  LOCKSTEP_GRPC_PLAINTEXT: truthy,
  LOCKSTEP_LOG_LEVEL: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
  LOCKSTEP_STREAM_REPLICAS: integer(1, 5).default(3),
  LOCKSTEP_POOL_SIZE: integer(2, 100).default(10),
  LOCKSTEP_DRAIN_MS: integer(0, 600_000).default(10_000),
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
  return readEnvironment(env, service, z.object({})).base
}

/** Reads what all services share and a service's own variables; throws `invalid` naming each wrong one of both and what it must be. */
export function readEnvironment<Own extends z.ZodObject>(
  env: Environment,
  service: ServiceName,
  own: Own,
): { base: BaseConfig; own: z.infer<Own> } {
  const problems = [...problemsOf(baseEnvironment, env), ...tlsProblems(env), ...problemsOf(own, env)]
  if (problems.length > 0) throw wrongEnvironment(service, problems)
  return { base: baseConfig(service, baseEnvironment.parse(given(env))), own: own.parse(given(env)) }
}

function baseConfig(service: ServiceName, e: z.infer<typeof baseEnvironment>): BaseConfig {
  const { LOCKSTEP_GRPC_TLS_CA: ca, LOCKSTEP_GRPC_TLS_CERT: cert, LOCKSTEP_GRPC_TLS_KEY: key } = e
  return {
    service,
    postgresUrl: e.LOCKSTEP_POSTGRES_URL,
    natsUrl: e.LOCKSTEP_NATS_URL,
    redisUrl: e.LOCKSTEP_REDIS_URL,
    host: e.LOCKSTEP_HOST,
    grpcPort: e.LOCKSTEP_GRPC_PORT,
    healthPort: e.LOCKSTEP_HEALTH_PORT,
    tls: ca && cert && key ? { ca, cert, key } : null,
    logLevel: e.LOCKSTEP_LOG_LEVEL,
    streamReplicas: e.LOCKSTEP_STREAM_REPLICAS,
    poolSize: e.LOCKSTEP_POOL_SIZE,
    drainMs: e.LOCKSTEP_DRAIN_MS,
  }
}

/** One line for each wrong variable; never its value, which may be a secret. */
function problemsOf(schema: z.ZodType, env: Environment): string[] {
  const issues = schema.safeParse(given(env)).error?.issues ?? []
  return issues.map(({ path, message }) => {
    const name = path.join('.')
    const words = message.startsWith('must') ? message : ''
    if (env[name]) return words ? `${name} ${words}` : `${name}: ${message}`
    return words ? `${name} is missing; it ${words}` : `${name} is missing`
  })
}

/** Without mutual TLS anybody who reaches the port could act for any account. */
function tlsProblems(env: Environment): string[] {
  const names = ['LOCKSTEP_GRPC_TLS_CA', 'LOCKSTEP_GRPC_TLS_CERT', 'LOCKSTEP_GRPC_TLS_KEY']
  const missing = names.filter((name) => !env[name])
  if (missing.length === 0 || (missing.length === names.length && env.LOCKSTEP_GRPC_PLAINTEXT === 'true')) return []
  const files = missing.length === 1 ? 'a file' : 'files'
  return [
    `${missing.join(', ')} must name ${files} for mutual TLS between services (a development machine sets LOCKSTEP_GRPC_PLAINTEXT=true)`,
  ]
}

/** A variable that is set to nothing is not set: `LOCKSTEP_GRPC_PORT=` isn't port 0. */
function given(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

function wrongEnvironment(service: string, problems: string[]): AppError {
  return new AppError('invalid', `${service} can't start, its environment is wrong:\n${problems.map((line) => `  ${line}`).join('\n')}`)
}

/** host:port of another service, from LOCKSTEP_<SERVICE>_ADDRESS; by default its name, as in Kubernetes. */
export function addressOf(env: Environment, service: ServiceName): string {
  return env[`LOCKSTEP_${service.replaceAll('-', '_').toUpperCase()}_ADDRESS`] || `${service}:7000`
}

const ringWords =
  'must be 32 bytes as 64 hex digits, e.g. from: openssl rand -hex 32; or several with an id before each, the one for what is new first: 2:…,1:…'
const maxKeys = 8

/** A key, or several with their ids, from a variable that has no default. */
export const keyRingSchema = z
  .string({ error: ringWords })
  .transform((text) => readRing(text))
  .refine((ring) => ring !== null, ringWords)

function readRing(text: string): RingKey[] | null {
  const named = /^[0-9a-f]{64}$/i.test(text) ? [`1:${text}`] : text.split(',').map((each) => each.trim())
  const keys = named.map((each) => /^([1-9]\d{0,2}):([0-9a-f]{64})$/i.exec(each))
  const ring = keys.map((match) => ({ id: Number(match?.[1]), key: Buffer.from(match?.[2] ?? '', 'hex') }))
  const isGood = keys.every(Boolean) && ring.length <= maxKeys && ring.every(({ id }) => id <= 255)
  const isDistinct =
    new Set(ring.map(({ id }) => id)).size === ring.length && new Set(ring.map(({ key }) => key.toString('hex'))).size === ring.length
  return isGood && isDistinct ? ring : null
}

/** Where Meta's Graph API is; only a simulator changes the URL. */
export const graphEnvironment = {
  LOCKSTEP_GRAPH_URL: url('https://graph.facebook.com').default('https://graph.facebook.com'),
  LOCKSTEP_GRAPH_VERSION: z
    .string()
    .regex(/^v\d+\.\d+$/, 'must look like v24.0')
    .default('v24.0'),
}
