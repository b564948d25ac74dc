import type { LockName, locks } from '@lockstep/contracts'
import { type Fence, fence, raiseFence, type TransactionOptions, type Tx } from '@lockstep/database'
import { type Lock, type LockKey, LockUnavailable } from '@lockstep/locks'
import { counter } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'
import { owning } from './owning.ts'

/** A held lock whose transactions only its newest holder can commit. */
export interface FencedLock extends AsyncDisposable {
  lock: Lock
  fence: Fence
  /** Fires when the lock is lost, or with the signal that it was acquired with. */
  signal: AbortSignal
  /** Throws `conflict`, and rolls back, once another has acquired the lock. */
  transaction<T>(
    accountId: string,
    work: (tx: Tx) => Promise<T>,
    options?: Omit<TransactionOptions, 'signal'>,
  ): Promise<T>
}

/** The locks whose row in the table says that they have a fence. */
export type FencedLockName = {
  [Name in LockName]: (typeof locks)[Name]['fence'] extends true ? Name : never
}[LockName]

/** Acquires a lock and raises its fence. Throws `busy` when another holds it. */
export async function holdFenced(
  { locks, db }: Pick<BaseContext, 'locks' | 'db'>,
  name: FencedLockName,
  id: string,
  options: { waitMs?: number; signal?: AbortSignal } = {},
): Promise<FencedLock> {
  await using stack = new AsyncDisposableStack()
  const lock = stack.use(await locks.hold(name, id, options))
  const raised = await raiseFence(db, name, id)
  const signal = options.signal ? AbortSignal.any([options.signal, lock.signal]) : lock.signal
  const transaction: FencedLock['transaction'] = (accountId, work, more) =>
    db.transaction(
      accountId,
      async (tx) => {
        await fence(tx, raised)
        return work(tx)
      },
      { ...more, signal },
    )
  return owning({ lock, fence: raised, signal, transaction }, stack)
}

const unlocked = counter(
  'lockstep_webhook_batches_unlocked_total',
  'Webhook batches handled without locks, because Redis was away',
)

/**
 * Keeps other workers off what a batch of webhook parts is about. Holds nothing without keys, or
 * while Redis is away: rows allow each effect once.
 */
export async function holdBatch(
  ctx: Pick<BaseContext, 'locks'>,
  keys: readonly LockKey[],
): Promise<Lock | null> {
  if (keys.length === 0) return null
  try {
    return await ctx.locks.holdAll(keys)
  } catch (error) {
    if (!(error instanceof LockUnavailable)) throw error
    unlocked(1)
    return null
  }
}
