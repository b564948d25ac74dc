import { AppError } from '@lockstep/contracts'
import { sqlState, type Tx } from '@lockstep/database'
import type { Context } from './context.ts'

const listMs = 5_000
const statementTimeout = '57014'

/** A transaction that reads a list while its caller waits, in bounded time. Throws `timeout`. */
export async function readList<T>(
  ctx: Pick<Context, 'db'>,
  accountId: string,
  signal: AbortSignal | undefined,
  read: (tx: Tx) => Promise<T>,
): Promise<T> {
  try {
    return await ctx.db.transaction(accountId, read, { signal, statementTimeoutMs: listMs })
  } catch (cause) {
    if (sqlState(cause) !== statementTimeout) throw cause
    throw new AppError(
      'timeout',
      `The list took longer than ${listMs / 1000} s: ask for fewer contacts at once, or try again`,
      { cause },
    )
  }
}
