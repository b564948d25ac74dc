import { laneSettings } from '@lockstep/contracts'
import { type Database, openDatabase, schemaOf } from '@lockstep/database'
import { type BaseContext, type BaseOverrides, createBaseContext, type FeedSource, localFeed, remoteFeed, started } from '@lockstep/service'
import type { Config } from './config.ts'
import { entities } from './db/entities.ts'

const checkConnections = 4

/** Longer than the bound on waits for locks, so that waiting for others is never taken for slowness. */
const importStatementMs = 20_000

export interface ImportTimes {
  /** An import gives its place back after this. */
  sliceMs: number
  /** A batch with a statement that takes longer is halved. */
  statementMs: number
}

/** What a test may replace. */
export type Overrides = BaseOverrides & { imports?: Partial<ImportTimes> }

/** Everything that a door of this service may use. */
export interface Context extends BaseContext {
  config: Config
  /** Connections of their own for the check before each send, so that nothing else keeps it waiting. */
  checks: Database
  imports: ImportTimes
  /** Imports wait in our own feed. */
  ownFeed: FeedSource
  /** What sending taught waits in the feed of campaigns. */
  campaigns: FeedSource
}

export async function createContext(config: Config, overrides: Overrides = {}): Promise<Context> {
  await using up = new AsyncDisposableStack()
  const base = up.use(await createBaseContext(config, entities, overrides))
  const own = up.use(await openDatabase({ url: config.postgresUrl, schema: schemaOf(config.service), poolSize: checkConnections }))
  const checks = overrides.around?.({ ...base, db: own }).db ?? own
  const imports = { sliceMs: laneSettings.sliceMs * base.scale, statementMs: importStatementMs, ...overrides.imports }
  const campaigns = up.use(remoteFeed(config.campaignsAddress, config.tls))
  return started({ ...base, config, checks, imports, ownFeed: localFeed(base), campaigns }, up)
}
