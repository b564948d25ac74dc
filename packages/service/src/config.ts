import { AppError, type ServiceName, services } from '@lockstep/contracts'
import { z } from 'zod'
import { developmentFlag, integer, port, url } from './variables.ts'

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** What every service reads, by the name that it has in its configuration. */
const shared = {
  postgresUrl: url('postgres://contacts:…@postgres:5432/lockstep').describe(
    'PostgreSQL, as the role of the service',
  ),
  natsUrl: url('nats://nats:4222').describe('NATS with JetStream'),
  redisUrl: url('redis://redis:6379').describe('Redis'),
  host: z.string().default('0.0.0.0').describe('Address to listen on'),
  grpcPort: port.default(7000).describe('gRPC; 0 takes any free port'),
  healthPort: port.default(7080).describe('Health and metrics over HTTP; 0 takes any free port'),
  grpcTlsCa: z
    .string()
    .optional()
    .describe('File of the authority that signs certificates of callers and services'),
  grpcTlsCert: z.string().optional().describe('File of the certificate of this service'),
  grpcTlsKey: z.string().optional().describe('File of the key of this service'),
  grpcPlaintext: developmentFlag('Calls between services without TLS'),
  logLevel: z
    .enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` })
    .default('info')
    .describe(`One of ${logLevels.join(', ')}`),
  streamReplicas: integer(1, 5).default(3).describe('Copies of each JetStream stream'),
  poolSize: integer(2, 100).default(10).describe('Connections to PostgreSQL'),
  drainMs: integer(0, 600_000)
    .default(10_000)
    .describe('How long a stop waits for running jobs, ms'),
}

type Shared = z.infer<
  z.ZodObject<Omit<typeof shared, 'grpcTlsCa' | 'grpcTlsCert' | 'grpcTlsKey' | 'grpcPlaintext'>>
>

export type BaseConfig = Shared & {
  service: ServiceName
  /** Files of mutual TLS between services; null for plain text. */
  tls: { ca: string; cert: string; key: string } | null
  /** host:port of each service. */
  addresses: Readonly<Record<ServiceName, string>>
}

/** By the name in its configuration: `sendSockets` is LOCKSTEP_SEND_SOCKETS. */
export interface ServiceConfig<Own extends z.ZodRawShape = z.ZodRawShape> {
  own: Own
}

/** What a service reads beside what all do; each variable with its default and its description. */
export function serviceConfig<const Own extends z.ZodRawShape>(own: Own): ServiceConfig<Own> {
  return { own }
}

/** The configuration that a service is started with. */
export type ConfigOf<Declared> =
  Declared extends ServiceConfig<infer Own> ? BaseConfig & z.infer<z.ZodObject<Own>> : never

export type Environment = Record<string, string | undefined>

/** LOCKSTEP_SEND_SOCKETS for `sendSockets`. */
const variableOf = (name: string) =>
  `LOCKSTEP_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`

/** The variable with the host:port of a service. */
export const addressVariable = (service: ServiceName) =>
  `LOCKSTEP_${service.replaceAll('-', '_').toUpperCase()}_ADDRESS`

/** Reads the environment; throws `invalid` naming each wrong variable and what it must be. */
export function readConfig<Own extends z.ZodRawShape>(
  { name, config }: { name: ServiceName; config: ServiceConfig<Own> },
  env: Environment,
): ConfigOf<ServiceConfig<Own>> {
  const shape = { ...shared, ...config.own }
  const given = valuesOf(env, shape)
  const problems = [
    ...problemsOf(z.object(shared), given),
    ...tlsProblems(env),
    ...problemsOf(z.object(config.own), given),
    ...(env.NODE_ENV === 'production' ? developmentProblems(shape, given) : []),
  ]
  if (problems.length > 0) throw wrongEnvironment(name, problems)
  const {
    grpcTlsCa: ca,
    grpcTlsCert: cert,
    grpcTlsKey: key,
    grpcPlaintext: _,
    ...all
  } = z.object(shared).parse(given)
  const addresses = Object.fromEntries(
    services.map((service) => [service, env[addressVariable(service)] || `${service}:7000`]),
  )
  const tls = ca && cert && key ? { ca, cert, key } : null
  return {
    ...all,
    service: name,
    tls,
    addresses,
    ...z.object(config.own).parse(given),
  } as unknown as ConfigOf<ServiceConfig<Own>>
}

/** A variable that is set to nothing is not set: `LOCKSTEP_GRPC_PORT=` isn't port 0. */
function valuesOf(env: Environment, shape: z.ZodRawShape): Record<string, string> {
  return Object.fromEntries(
    Object.keys(shape).flatMap((name) =>
      env[variableOf(name)] ? [[name, env[variableOf(name)]!]] : [],
    ),
  )
}

/** One line for each wrong variable; never its value, which may be a secret. */
function problemsOf(schema: z.ZodType, given: Record<string, string>): string[] {
  const issues = schema.safeParse(given).error?.issues ?? []
  return issues.map(({ path, message }) => {
    const name = String(path[0])
    const requirement = message.startsWith('must') ? message : ''
    if (name in given)
      return requirement ? `${variableOf(name)} ${requirement}` : `${variableOf(name)}: ${message}`
    return requirement
      ? `${variableOf(name)} is missing; it ${requirement}`
      : `${variableOf(name)} is missing`
  })
}

function developmentProblems(shape: z.ZodRawShape, given: Record<string, string>): string[] {
  return Object.entries(shape).flatMap(([name, schema]) =>
    (schema as z.ZodType).meta()?.isForDevelopment && given[name] === 'true'
      ? [`${variableOf(name)} must not be true where NODE_ENV is production`]
      : [],
  )
}

/** Without mutual TLS anybody who reaches the port could act for any account. */
function tlsProblems(env: Environment): string[] {
  const names = ['LOCKSTEP_GRPC_TLS_CA', 'LOCKSTEP_GRPC_TLS_CERT', 'LOCKSTEP_GRPC_TLS_KEY']
  const missing = names.filter((name) => !env[name])
  const isPlain = missing.length === names.length && env.LOCKSTEP_GRPC_PLAINTEXT === 'true'
  if (missing.length === 0 || isPlain) return []
  const files = missing.length === 1 ? 'a file' : 'files'
  return [
    `${missing.join(', ')} must name ${files} for mutual TLS between services (a development machine sets LOCKSTEP_GRPC_PLAINTEXT=true)`,
  ]
}

function wrongEnvironment(service: string, problems: string[]): AppError {
  const lines = problems.map((line) => `  ${line}`).join('\n')
  return new AppError('invalid', `${service} can't start, its environment is wrong:\n${lines}`)
}

/** One variable, for people. */
export interface Variable {
  name: string
  about: string
  /** As text; undefined when the variable must be set. */
  byDefault?: string
}

/** The variables that all services read. */
export const sharedVariables = (): Variable[] => [
  ...variablesIn(shared),
  {
    name: 'LOCKSTEP_<SERVICE>_ADDRESS',
    about: 'host:port of another service',
    byDefault: '<service>:7000',
  },
]

/** The variables that one service reads beside those of all. */
export const ownVariables = ({ own }: ServiceConfig): Variable[] => variablesIn(own)

function variablesIn(shape: z.ZodRawShape): Variable[] {
  return Object.entries(shape).map(([name, schema]) => {
    const { success, data } = z.safeParse(schema, undefined)
    return {
      name: variableOf(name),
      about: (schema as z.ZodType).description ?? '',
      ...(success && { byDefault: data === undefined ? '' : String(data) }),
    }
  })
}
