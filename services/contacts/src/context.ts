import { type Database, openDatabase, schemaOf } from '@lockstep/database'
import {
  type BaseOverrides,
  createSecrets,
  measureSealed,
  type Secrets,
  type ServiceContext,
} from '@lockstep/service'
import type { Config } from './config.ts'
import type { times } from './times.ts'

const checkConnections = 4

/** Longer than the bound on waits for locks: waiting for others is no slowness. */
const importStatementMs = 20_000

type Base = ServiceContext<Config, never, typeof times>

interface Own {
  secrets: Secrets
  /** Own connections for the check before each send, so that nothing else keeps it waiting. */
  checks: Database
  /** A batch of an import with a statement that takes longer is halved. */
  importStatementMs: number
}

/** What the endpoints of this service may use. */
export type Context = Base & Own

export async function open(
  base: Base,
  stack: AsyncDisposableStack,
  overrides: BaseOverrides,
): Promise<Own> {
  const { postgresUrl: url, service } = base.config
  stack.use(measureSealed(base))
  const own = stack.use(
    await openDatabase({ url, schema: schemaOf(service), poolSize: checkConnections }),
  )
  const checks = overrides.around?.({ ...base, db: own }).db ?? own
  return { secrets: createSecrets(base.config.encryptionKey), checks, importStatementMs }
}
