import { laneSettings } from '@lockstep/contracts'
import { type Database, openDatabase, schemaOf } from '@lockstep/database'
import type { BaseOverrides, ServiceContext } from '@lockstep/service'
import type { Config } from './config.ts'

const checkConnections = 4

/** Longer than the bound on waits for locks, so that waiting for others is never taken for slowness. */
const importStatementMs = 20_000

export interface ImportTimes {
  /** An import gives its place back after this. */
  sliceMs: number
  /** A batch with a statement that takes longer is halved. */
  statementMs: number
}

type Base = ServiceContext<Config>

interface Own {
  /** Connections of their own for the check before each send, so that nothing else keeps it waiting. */
  checks: Database
  imports: ImportTimes
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export async function open(
  base: Base,
  stack: AsyncDisposableStack,
  overrides: BaseOverrides,
): Promise<Own> {
  const { postgresUrl: url, service } = base.config
  const own = stack.use(
    await openDatabase({ url, schema: schemaOf(service), poolSize: checkConnections }),
  )
  return {
    checks: overrides.around?.({ ...base, db: own }).db ?? own,
    imports: { sliceMs: laneSettings.sliceMs * base.scale, statementMs: importStatementMs },
  }
}
