import { AppError, type LockName, type locks } from '@lockstep/contracts'
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

/** The locks whose row in the table says that they have a fence. */
export type FencedLockName = { [Name in LockName]: (typeof locks)[Name]['fence'] extends true ? Name : never }[LockName]

/** True when work lost its lock: the lock says so, or its fence, which a newer holder has raised. The work may be done again. */
export function isLockGone(error: unknown): boolean {
  return error instanceof AppError && error.failure === 'conflict' && 'keys' in error.details
}

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
    return { lock, fence, signal: lock.signal, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() }
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}
