import type { LaneOf, ServiceName } from '@lockstep/contracts'
import type { MigrationList } from '@lockstep/database'
import type { FeedOptions, HandlerOf } from '@lockstep/feeds'
import type { BindOptions, bind, MethodsOf, PeerName } from '@lockstep/rpc'
import type { ConfigOf, ServiceConfig } from './config.ts'
import type { BaseOverrides, Entities, ServiceContext, Times } from './context.ts'

type RpcDefinition = Parameters<typeof bind>[0]

/** The methods of a service's own gRPC definition, and who may call them. */
export interface RpcMethods<Definition extends RpcDefinition, Context>
  extends BindOptions<Definition> {
  definition: Definition
  methods: MethodsOf<Definition, Context>
}

/** Done at once and then every so many ms, never twice at a time. */
export type Job<Context> = readonly [everyMs: number, run: (ctx: Context) => Promise<void>]

/** HTTP for the public, with the port that it listens on. */
export interface PublicHttp extends AsyncDisposable {
  port: number
}

/** A handler for each lane that the service works on by the table. */
type Lanes<Name extends ServiceName, Context> = [LaneOf<Name>] extends [never]
  ? { lanes?: undefined }
  : { lanes: { readonly [Lane in LaneOf<Name>]: HandlerOf<Lane, Context> } }

/** All that a service is; how it is started and stopped is derived from it. */
export type ServiceOptions<
  Name extends ServiceName,
  Config extends ServiceConfig,
  Peer extends PeerName,
  Declared extends Times,
  Own extends object,
  Definition extends RpcDefinition,
> = Lanes<Name, ServiceContext<ConfigOf<Config>, Peer, Declared> & Own> & {
  name: Name
  config: Config
  migrations: MigrationList
  entities?: Entities
  /** The services that it calls. */
  peers?: readonly Peer[]
  times?: Declared
  /** Opens what only this service needs; `stack` closes it once its endpoints are closed. */
  open?: (
    base: ServiceContext<ConfigOf<Config>, Peer, Declared>,
    stack: AsyncDisposableStack,
    overrides: BaseOverrides,
  ) => Own | Promise<Own>
  rpc?: RpcMethods<Definition, ServiceContext<ConfigOf<Config>, Peer, Declared> & Own>
  jobs?: Readonly<Record<string, Job<ServiceContext<ConfigOf<Config>, Peer, Declared> & Own>>>
  /** Jobs that take away what is older than it is kept; their interval is not scaled in tests. */
  retention?: Readonly<
    Record<string, (ctx: ServiceContext<ConfigOf<Config>, Peer, Declared> & Own) => Promise<void>>
  >
  /** What happens in the service's own rows when entries of its feed are settled. */
  feed?: (ctx: ServiceContext<ConfigOf<Config>, Peer, Declared> & Own) => FeedOptions
  /** Opened last and closed first; `stack` closes what it needs right after it. */
  http?: (
    ctx: ServiceContext<ConfigOf<Config>, Peer, Declared> & Own,
    stack: AsyncDisposableStack,
  ) => Promise<PublicHttp>
}

/** A service as `startService` takes it, whatever its context is. */
export interface DeclaredService {
  name: ServiceName
  config: ServiceConfig
  migrations: MigrationList
  entities: Entities
  peers: readonly PeerName[]
  times: Times
  // biome-ignore-start lint/suspicious/noExplicitAny: each of these is checked against the service's own context where it is declared
  open?: (
    base: any,
    stack: AsyncDisposableStack,
    overrides: BaseOverrides,
  ) => object | Promise<object>
  rpc?: RpcMethods<any, any>
  lanes: Readonly<Record<string, HandlerOf<any, any>>>
  jobs: Readonly<Record<string, Job<any>>>
  retention: Readonly<Record<string, (ctx: any) => Promise<void>>>
  feed?: (ctx: any) => FeedOptions
  http?: (ctx: any, stack: AsyncDisposableStack) => Promise<PublicHttp>
  // biome-ignore-end lint/suspicious/noExplicitAny: as above
}

/** Declares a service; a lane or method of its own that is missing is an error of types. */
export function defineService<
  const Name extends ServiceName,
  Config extends ServiceConfig,
  const Peer extends PeerName = never,
  Declared extends Times = Record<never, number>,
  Own extends object = object,
  Definition extends RpcDefinition = RpcDefinition,
>(options: ServiceOptions<Name, Config, Peer, Declared, Own, Definition>): DeclaredService {
  const { entities = [], peers = [], times = {}, lanes = {}, jobs = {} } = options
  return { ...options, entities, peers, times, lanes, jobs, retention: options.retention ?? {} }
}
