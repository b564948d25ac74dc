import { AppError } from '@lockstep/contracts'
import { counter, histogram } from '@lockstep/telemetry'
import type { AnyEntity, EntityClass, EntitySchema } from '@mikro-orm/core'
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { type Pool, type TypeOverrides, types } from 'pg'
import { isSerializationFailure } from './errors.ts'

/** An open transaction: entities through `em`, statements for many rows through `sql`. */
export interface Tx {
  em: EntityManager
  sql: Kysely<unknown>
  /** The tenant that row-level security lets this transaction see; null in `system`, which sees no tenant's rows. */
  accountId: string | null
  /** Runs after the commit, never after a rollback. For doorbells and events. */
  afterCommit(run: () => void): void
}

export interface TransactionOptions {
  /** Rolls back when it fires, e.g. because a lock was lost. */
  signal?: AbortSignal
  isolation?: 'read committed' | 'repeatable read'
}

export interface Database extends AsyncDisposable {
  /** One tenant's transaction. Deadlocks and serialization failures are tried three times. */
  transaction<T>(accountId: string, work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** A transaction without a tenant: for tables that have none and for functions that list (account, key). */
  system<T>(work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** True when the server answers. */
  ping(): Promise<boolean>
}

export interface DatabaseConfig {
  /** postgres:// URL with the service's own role. */
  url: string
  /** The service's schema. */
  schema: string
  poolSize?: number
}

type Entities = (EntityClass<AnyEntity> | EntitySchema)[]

const maxAttempts = 3
const transactions = histogram('lockstep_db_transaction_seconds', 'Duration of a database transaction', 's')
const deadlocks = counter('lockstep_db_deadlocks_total', 'Transactions that PostgreSQL rolled back as deadlocked or not serializable')

/** A server that is stuck is worse than one that is gone: every wait inside PostgreSQL has a bound. */
const serverSettings = '-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s'

/** Opens a service's schema. The pool connects on first use, so the server may be away at first. */
export async function openDatabase(config: DatabaseConfig, entities: Entities = []): Promise<Database> {
  const orm = await MikroORM.init({
    clientUrl: config.url,
    schema: config.schema,
    entities,
    connect: false,
    pool: { min: 0, max: config.poolSize ?? 10 },
    driverOptions: {
      options: `${serverSettings} -c search_path=${config.schema}`,
      connectionTimeoutMillis: 10_000,
      application_name: `lockstep-${config.schema}`,
      onPoolCreated: timestampsAsDates,
    },
    discovery: { warnWhenNoEntities: false },
    allowGlobalContext: false,
  } as Parameters<typeof MikroORM.init>[0])

  const run = <T>(accountId: string | null, work: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> =>
    retried(() => once(orm.em as EntityManager, config.schema, accountId, work, options))

  return {
    transaction: (accountId, work, options) => {
      if (!accountId) throw new AppError('internal', 'A tenant transaction was opened without an account id')
      return run(accountId, work, options)
    },
    system: (work, options) => run(null, work, options),
    ping: () => orm.checkConnection().then((check) => check.ok),
    [Symbol.asyncDispose]: () => orm.close(true),
  }
}

/** MikroORM leaves timestamps as text, to be read by its entities' types; statements of our own take them as they come. */
function timestampsAsDates(pool: Pool): void {
  const { TIMESTAMPTZ } = types.builtins
  const parsers = pool.options.types as TypeOverrides
  parsers.setTypeParser(TIMESTAMPTZ, types.getTypeParser(TIMESTAMPTZ))
}

async function once<T>(
  root: EntityManager,
  schema: string,
  accountId: string | null,
  work: (tx: Tx) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  const startedAt = performance.now()
  const after: (() => void)[] = []
  options.signal?.throwIfAborted()
  const result = await root.fork({ clear: true }).transactional(async (em) => {
    const kysely = em.getKysely<unknown>() as Kysely<unknown>
    if (options.isolation === 'repeatable read') await sql`set transaction isolation level repeatable read`.execute(kysely)
    if (accountId) await sql`select set_config('lockstep.account_id', ${accountId}, true)`.execute(kysely)
    const value = await work({ em, sql: kysely, accountId, afterCommit: (run) => after.push(run) })
    await em.flush()
    options.signal?.throwIfAborted()
    return value
  })
  transactions((performance.now() - startedAt) / 1000, { schema })
  for (const run of after) run()
  return result
}

async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!isSerializationFailure(error)) throw error
      deadlocks(1)
      if (tries >= maxAttempts) throw error
    }
  }
}

/** Runs one statement and returns its rows. Columns arrive as the caller names them; bigint as text, timestamps as Date. */
export async function query<Row>(tx: Tx, statement: RawBuilder<unknown>): Promise<Row[]> {
  const result = await statement.execute(tx.sql)
  return result.rows as Row[]
}

/** Like `query`, for statements that answer with one row or none. */
export async function queryOne<Row>(tx: Tx, statement: RawBuilder<unknown>): Promise<Row | undefined> {
  return (await query<Row>(tx, statement))[0]
}
