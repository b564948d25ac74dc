/** Parts of the repository, lowest first: each imports its own and what stands before it. */
export const tiers = ['contracts', 'packages', 'services', 'tools', 'test'] as const
export type Tier = (typeof tiers)[number]

/**
 * What each package may import of ours. A row names only rows above it, so that packages can't need
 * one another.
 */
export const packageImports: Readonly<Record<string, readonly string[]>> = {
  contracts: [],
  client: [],
  servers: [],
  telemetry: ['contracts'],
  locks: ['contracts', 'telemetry'],
  messaging: ['contracts', 'telemetry'],
  rpc: ['contracts', 'telemetry'],
  database: ['contracts', 'telemetry'],
  whatsapp: ['contracts', 'telemetry'],
  'meta-simulator': ['servers'],
  feeds: ['contracts', 'telemetry', 'messaging', 'rpc', 'database'],
  sending: ['contracts', 'telemetry', 'locks', 'rpc', 'database', 'whatsapp'],
  service: ['contracts', 'telemetry', 'locks', 'messaging', 'rpc', 'database', 'whatsapp', 'feeds'],
  system: ['contracts', 'telemetry', 'servers', 'database', 'feeds', 'service'],
  testing: [
    ...['contracts', 'telemetry', 'servers', 'locks', 'messaging', 'rpc', 'database', 'whatsapp'],
    ...['meta-simulator', 'feeds', 'service', 'system'],
  ],
}

/** What a service may import of ours: nothing that only development needs, and no other service. */
export const serviceImports: readonly string[] = [
  ...[
    'contracts',
    'telemetry',
    'locks',
    'rpc',
    'database',
    'whatsapp',
    'feeds',
    'sending',
    'service',
  ],
]

/** What only tests and tools import. */
export const testingPackages: readonly string[] = ['@lockstep/testing', 'vitest', 'fast-check']

export interface Driver {
  /** Names of npm packages; `*` stands for the rest of a name. */
  packages: readonly string[]
  owner: string
  /** Folders that import it too (`*` is one name), each with its reason. */
  besides: Readonly<Record<string, string>>
}

/** Each driver has one owner, whose words the rest of the code uses. */
export const drivers: readonly Driver[] = [
  {
    packages: ['ioredis'],
    owner: 'packages/locks',
    besides: {
      'tools/bench/src': 'compares our locks and limits with others on clients of their own',
    },
  },
  { packages: ['@nats-io/*'], owner: 'packages/messaging', besides: {} },
  { packages: ['@grpc/*', 'nice-grpc', 'nice-grpc-*'], owner: 'packages/rpc', besides: {} },
  {
    packages: ['pg', 'pg-*'],
    owner: 'packages/database',
    besides: { 'tools/audit/src': 'reads all schemas in one snapshot, as no service may' },
  },
  {
    packages: ['kysely', '@mikro-orm/*'],
    owner: 'packages/database',
    besides: { 'services/*/src/db': 'a service declares its entities and migrations' },
  },
  {
    packages: ['undici'],
    owner: 'packages/whatsapp',
    besides: {
      'packages/meta-simulator/src': 'posts webhooks as Meta does',
      'services/events/src/posting': 'posts events to addresses that integrators name',
      'tools/bench/src': 'posts webhooks on sockets that it counts',
    },
  },
  { packages: ['nodemailer', 'openid-client', 'otpauth'], owner: 'services/accounts', besides: {} },
  { packages: ['@opentelemetry/*', 'pino'], owner: 'packages/telemetry', besides: {} },
]

/** Where `process.env` may be read, beside tools and tests, which people start. */
export const environmentReaders: Readonly<Record<string, string>> = {
  'packages/service/src/run.ts': 'a service reads it once, where it starts',
  'packages/telemetry/src/preload.ts': 'it runs before the service does',
  'packages/testing': 'a person sets what tests show',
  'packages/servers': 'a person names servers of their own; programs get PATH',
  'packages/system': 'it hands PATH on to the processes that it starts',
}

export interface PathAcross {
  /** Folders, by the beginning of a path. */
  from: string
  to: string
  why: string
}

/** Paths that leave their package. Tests may look inside of others anyway. */
export const pathsAcross: readonly PathAcross[] = [
  {
    from: 'tools/bootstrap/',
    to: 'packages/servers/src/',
    why: 'it runs before packages are installed',
  },
  {
    from: 'tools/audit/main.ts',
    to: 'tools/dev/ready.ts',
    why: 'it finds the running system; tools/dev needs the audit by its name',
  },
  {
    from: 'tools/audit/src/',
    to: 'services/contacts/src/',
    why: 'it reads consent words as contacts does',
  },
  {
    from: 'tools/audit/src/',
    to: 'services/conversations/src/',
    why: 'it reads parts of webhooks as conversations does',
  },
  {
    from: 'tools/catalogue/',
    to: 'services/api/src/',
    why: 'it writes what the routes of the public API say',
  },
  {
    from: 'tools/dev/',
    to: 'services/api/src/docs/',
    why: 'it compares documents of the public API, whose shape is there',
  },
  {
    from: 'tools/bench/src/',
    to: 'services/',
    why: 'it measures single sweeps and defaults, which services keep to themselves',
  },
]

/**
 * Cycles that still stand, each with all its files. Only removing is right: a new cycle is mended,
 * not listed.
 */
export const knownCycles: readonly (readonly string[])[] = []
