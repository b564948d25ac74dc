import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@lockstep/contracts'
import { histogram } from '@lockstep/telemetry'
import type { AnyEntity, EntityClass, EntitySchema } from '@mikro-orm/core'
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { type Pool, type TypeOverrides, types } from 'pg'
import { accountShare, maxWaitMs } from './account-share.ts'
import { retried } from './retry.ts'
import {
  nameStatements,
  type StatementBounds,
  type StatementNames,
  statementNames,
} from './statements.ts'

/** An open transaction: entities through `em`, statements for many rows through `sql`. */
export interface Tx {
  em: EntityManager
  sql: Kysely<unknown>
  /** The tenant whose rows this transaction sees; null in `system`, and where there are several. */
  accountId: string | null
  /** Every tenant whose rows this transaction sees. */
  accountIds: readonly string[]
  /** Runs after the commit, never after a rollback. For wake-ups and events. */
  afterCommit(run: () => void): void
  /** No further statement begins once it has fired. */
  signal?: AbortSignal
}

export interface TransactionOptions {
  /** Rolls back when it fires; a statement under way is left to its own bounds. */
  signal?: AbortSignal
  isolation?: 'read committed' | 'repeatable read'
  /** Bound on each statement where 60 s are too short, e.g. for an index over all rows. */
  statementTimeoutMs?: number
}

export interface Database extends AsyncDisposable {
  /** Of one or several tenants. Deadlocks are tried three times, `RunAgain` fifty. */
  transaction<T>(
    accountIds: string | readonly string[],
    work: (tx: Tx) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>
  /** Without a tenant: for tables that have none, and for functions that list (account, key). */
  system<T>(work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** One statement without a tenant: one round trip where `system` takes three. */
  statement<Row>(statement: RawBuilder<unknown>): Promise<Row[]>
  /** True when the server answers. */
  ping(): Promise<boolean>
}

export interface DatabaseConfig {
  /** postgres:// URL with the service's own role. */
  url: string
  /** The service's schema. */
  schema: string
  poolSize?: number
  /** Bounds on the statements that have a name; for tests. */
  statements?: StatementBounds
}

type Entities = (EntityClass<AnyEntity> | EntitySchema)[]

const transactions = histogram(
  'lockstep_db_transaction_seconds',
  'Duration of a database transaction',
  's',
)
const defaultPoolSize = 10
/** A health probe that waits longer has its answer. */
const pingTimeoutMs = 2_000

/**
 * Opens a service's schema as its role. The pool connects on first use. A server that is away or
 * overloaded is `busy`, a statement past its time `timeout`.
 */
export async function openDatabase(
  config: DatabaseConfig,
  entities: Entities = [],
): Promise<Database> {
  const poolSize = config.poolSize ?? defaultPoolSize
  const names = statementNames(config.statements)
  const share = accountShare(poolSize)
  const orm = await openOrm({ ...config, poolSize }, entities, names)
  const { schema } = config
  const open = openWork()
  let plain: Kysely<unknown> | undefined
  /** MikroORM makes a new one each time it is asked. */
  const outsideOfTransactions = () => {
    plain ??= (orm.em.fork() as EntityManager).getKysely<unknown>() as Kysely<unknown>
    return plain
  }
  const run = <T>(
    accountIds: readonly string[],
    work: (tx: Tx) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> => {
    const { em } = orm as { em: EntityManager }
    const runs = () => retried(names, () => once(em, schema, accountIds, work, options))
    const [accountId, ...others] = accountIds
    const isShared = accountId !== undefined && others.length === 0
    return open.add(isShared ? share.run(accountId, runs, options.signal) : runs())
  }
  const answers = () =>
    run([], (tx) => query(tx, sql`select 1`)).then(
      () => true,
      () => false,
    )
  return {
    transaction: async (accountIds, work, options) => {
      const ids = typeof accountIds === 'string' ? [accountIds] : accountIds
      if (ids.length === 0 || ids.includes(''))
        throw new AppError('internal', 'A tenant transaction was opened without an account id')
      return run(ids, work, options)
    },
    system: (work, options) => run([], work, options),
    statement: <Row>(statement: RawBuilder<unknown>) =>
      open.add(
        retried(names, async () => {
          const startedAt = performance.now()
          const { rows } = await statement.execute(outsideOfTransactions())
          transactions((performance.now() - startedAt) / 1000, { schema })
          return rows as Row[]
        }),
      ),
    ping: () => Promise.race([answers(), delay(pingTimeoutMs, false, { ref: false })]),
    async [Symbol.asyncDispose]() {
      await open.ended()
      await orm.close(true)
    },
  }
}

function openOrm(
  { url, schema, poolSize }: DatabaseConfig & { poolSize: number },
  entities: Entities,
  names: StatementNames,
): Promise<MikroORM> {
  return MikroORM.init({
    clientUrl: url,
    schema,
    entities,
    connect: false,
    pool: { min: 0, max: poolSize },
    driverOptions: {
      connectionTimeoutMillis: maxWaitMs,
      application_name: `lockstep-${schema}`,
      onPoolCreated: (pool: Pool) => {
        timestampsAsDates(pool)
        nameStatements(pool, names)
      },
    },
    logger: () => undefined, // the work that needed a dropped connection says so itself
    discovery: { warnWhenNoEntities: false },
    allowGlobalContext: false,
  } as Parameters<typeof MikroORM.init>[0]) as Promise<MikroORM>
}

/** Open work is waited for at the end: Kysely loses a connection that is opened while it is closed. */
function openWork() {
  const running = new Set<Promise<unknown>>()
  return {
    add<T>(work: Promise<T>): Promise<T> {
      const tracked = work.finally(() => running.delete(tracked))
      running.add(tracked)
      return tracked
    },
    async ended(): Promise<void> {
      while (running.size > 0) await Promise.allSettled(running)
    },
  }
}

/** MikroORM leaves timestamps as text, to be read by its entities' types. */
function timestampsAsDates(pool: Pool): void {
  const { TIMESTAMPTZ } = types.builtins
  const parsers = pool.options.types as TypeOverrides
  parsers.setTypeParser(TIMESTAMPTZ, types.getTypeParser(TIMESTAMPTZ))
}

async function once<T>(
  root: EntityManager,
  schema: string,
  accountIds: readonly string[],
  work: (tx: Tx) => Promise<T>,
  { signal, isolation, statementTimeoutMs }: TransactionOptions,
): Promise<T> {
  signal?.throwIfAborted()
  const startedAt = performance.now()
  const after: (() => void)[] = []
  const result = await inTransaction(root, async (em) => {
    const kysely = em.getKysely<unknown>() as Kysely<unknown>
    if (isolation === 'repeatable read')
      await sql`set transaction isolation level repeatable read`.execute(kysely)
    // One statement for both: a check, which has both, must not go to PostgreSQL and back once more
    // than it needs to.
    const settings = [
      ...(statementTimeoutMs
        ? [sql`set_config('statement_timeout', ${String(Math.ceil(statementTimeoutMs))}, true)`]
        : []),
      ...(accountIds.length > 0
        ? [sql`set_config('lockstep.account_ids', (${accountIds}::uuid[])::text, true)`]
        : []),
    ]
    if (settings.length > 0) await sql`select ${sql.join(settings)}`.execute(kysely)
    const accountId = accountIds.length === 1 ? accountIds[0]! : null
    const value = await work({
      em,
      sql: kysely,
      accountId,
      accountIds,
      signal,
      afterCommit: (run) => after.push(run),
    })
    await em.flush()
    signal?.throwIfAborted()
    return value
  })
  transactions((performance.now() - startedAt) / 1000, { schema })
  for (const run of after) run()
  return result
}

/**
 * One transaction whose connection always returns to the pool; MikroORM's own keeps it when BEGIN,
 * COMMIT or ROLLBACK fails (kysely-org/kysely#1990).
 */
function inTransaction<T>(
  root: EntityManager,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  const em = root.fork({ clear: true }) as EntityManager
  const kysely = em.getKysely<unknown>() as Kysely<unknown>
  return kysely.transaction().execute((transaction) => {
    em.setTransactionContext(transaction)
    return work(em)
  })
}

/** Columns arrive as the caller names them; bigint as text, timestamps as Date. */
export async function query<Row>(tx: Tx, statement: RawBuilder<unknown>): Promise<Row[]> {
  tx.signal?.throwIfAborted()
  const result = await statement.execute(tx.sql)
  return result.rows as Row[]
}

/** Like `query`, for statements that answer with one row or none. */
export async function queryOne<Row>(
  tx: Tx,
  statement: RawBuilder<unknown>,
): Promise<Row | undefined> {
  return (await query<Row>(tx, statement))[0]
}
