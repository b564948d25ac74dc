import { LockLost, type LockName, locks } from '@lockstep/contracts'
import { counter } from '@lockstep/telemetry'
import { sql } from 'kysely'
import { type Database, queryOne, type Tx } from './database.ts'

/** Proof of being the newest holder of a lock; every later one has a greater token. */
export interface Fence {
  key: string
  token: string
}

const rejections = counter(
  'lockstep_lock_fence_rejections_total',
  'Transactions rolled back because a newer holder of their lock exists',
)

/** Raises the fence of a lock just acquired: transactions of earlier holders are refused. */
export async function raiseFence(db: Database, name: LockName, id: string): Promise<Fence> {
  const key = locks[name].key(id)
  const row = await db.system((tx) =>
    queryOne<{ token: string }>(
      tx,
      sql`insert into lock_fences (key, token) values (${key}, 1)
          on conflict (key) do update set token = lock_fences.token + 1 returning token`,
    ),
  )
  return { key, token: row!.token }
}

/** First statement of a guarded transaction: throws `LockLost` unless it is the newest holder. */
export async function fence(tx: Tx, { key, token }: Fence): Promise<void> {
  const row = await queryOne<{ token: string }>(
    tx,
    sql`select token from lock_fences where key = ${key} for update`,
  )
  if (row?.token === token) return
  rejections(1, { lock: key.split(':')[0]! })
  throw new LockLost(
    [key],
    'a newer holder raised its fence',
    `Another process has taken over ${key}; this one's work was rolled back`,
  )
}
