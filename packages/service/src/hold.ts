import type { LockName } from '@lockstep/contracts'
import { type Fence, raiseFence } from '@lockstep/database'
import type { Lock } from '@lockstep/locks'
import type { BaseContext } from './context.ts'

/** A held lock whose transactions are checked against PostgreSQL: start each with `fence(tx, held.fence)`. */
export interface FencedLock extends AsyncDisposable {
  lock: Lock
  fence: Fence
  /** Fires when the lock is lost. */
  signal: AbortSignal
}

/** Acquires a lock and raises its fence, for the locks whose row in the table says so. Throws `busy` when another holds it. */
export async function holdFenced(
  ctx: Pick<BaseContext, 'locks' | 'db'>,
  name: LockName,
  id: string,
  options: { waitMs?: number; signal?: AbortSignal } = {},
): Promise<FencedLock> {
  const lock = await ctx.locks.hold(name, id, options)
  try {
    const fence = await raiseFence(ctx.db, name, id)
    return { lock, fence, signal: lock.signal, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() }
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}
