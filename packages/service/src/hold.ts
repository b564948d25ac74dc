import type { LockName, locks } from '@lockstep/contracts'
import { type Fence, raiseFence } from '@lockstep/database'
import { type Lock, type LockKey, LockUnavailable } from '@lockstep/locks'
import { counter } from '@lockstep/telemetry'
import type { BaseContext } from './context.ts'

/** Start each transaction under it with `fence(tx, held.fence)`. */
export interface FencedLock extends AsyncDisposable {
  lock: Lock
  fence: Fence
  /** Fires when the lock is lost. */
  signal: AbortSignal
}

/** The locks whose row in the table says that they have a fence. */
export type FencedLockName = {
  [Name in LockName]: (typeof locks)[Name]['fence'] extends true ? Name : never
}[LockName]

/** Acquires a lock and raises its fence. Throws `busy` when another holds it. */
export async function holdFenced(
  ctx: Pick<BaseContext, 'locks' | 'db'>,
  name: FencedLockName,
  id: string,
  options: { waitMs?: number; signal?: AbortSignal } = {},
): Promise<FencedLock> {
  const lock = await ctx.locks.hold(name, id, options)
  try {
    const fence = await raiseFence(ctx.db, name, id)
    return {
      lock,
      fence,
      signal: lock.signal,
      [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
    }
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
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
