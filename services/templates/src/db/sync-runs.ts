import { type Database, queryOne, sql, type Tx } from '@lockstep/database'
import { type SyncRun, SyncRunSchema } from './entities.ts'

/** The connection's run that is queued or running, if any. */
export function findActiveRun(tx: Tx, connectionId: string): Promise<SyncRun | null> {
  return tx.em.findOne(SyncRunSchema, {
    accountId: tx.accountId!,
    connectionId,
    state: ['queued', 'running'],
  })
}

/** True while a connection of the account has a run of the WABA that is queued or running. */
export async function hasActiveRun(tx: Tx, wabaId: string): Promise<boolean> {
  const run = await queryOne(
    tx,
    sql`select id from sync_runs
        where account_id = ${tx.accountId} and waba_id = ${wabaId} and state in ('queued', 'running') limit 1`,
  )
  return run !== undefined
}

/** True when a run of the WABA that has ended, well or not, had begun since a time. */
export async function hasEndedRunSince(tx: Tx, wabaId: string, since: Date): Promise<boolean> {
  const run = await queryOne(
    tx,
    sql`select id from sync_runs
        where account_id = ${tx.accountId} and waba_id = ${wabaId} and state in ('done', 'failed') and started_at >= ${since} limit 1`,
  )
  return run !== undefined
}

/** Queues a run; false while the connection has one that is queued or running. */
export async function insertRun(
  tx: Tx,
  run: { id: string; connectionId: string; wabaId: string; now: Date },
): Promise<boolean> {
  const { id, connectionId, wabaId, now } = run
  const inserted = await queryOne(
    tx,
    sql`insert into sync_runs (id, account_id, connection_id, waba_id, state, created_at, started_at)
        values (${id}, ${tx.accountId}, ${connectionId}, ${wabaId}, 'queued', ${now}, ${now})
        on conflict (connection_id) where state in ('queued', 'running') do nothing returning id`,
  )
  return inserted !== undefined
}

/** Begins a run, or begins it again after it was cut off; undefined when it has ended. */
export function beginRun(
  tx: Tx,
  id: string,
): Promise<{ createdAt: Date; wabaId: string } | undefined> {
  return queryOne(
    tx,
    sql`update sync_runs set state = 'running', started_at = now(), seen = 0
        where account_id = ${tx.accountId} and id = ${id} and state in ('queued', 'running') returning created_at as "createdAt", waba_id as "wabaId"`,
  )
}

/** Ends a run; `failure` says to a person why it could not be done. */
export async function endRun(
  tx: Tx,
  id: string,
  end: { removed: number } | { failure: string },
): Promise<void> {
  const { state, removed, failure } =
    'failure' in end
      ? { state: 'failed', removed: 0, ...end }
      : { state: 'done', failure: '', ...end }
  await sql`update sync_runs set state = ${state}, removed = ${removed}, failure = ${failure}, finished_at = now()
    where account_id = ${tx.accountId} and id = ${id}`.execute(tx.sql)
}

/**
 * Takes away runs of any account that ended before a time, `most` at once and the oldest first;
 * answers how many.
 */
export async function forgetRunPage(db: Database, before: Date, most: number): Promise<number> {
  const [row] = await db.statement<{ rows: number }>(
    sql`select forget_sync_runs(${before}, ${most}) as rows`,
  )
  return row!.rows
}
