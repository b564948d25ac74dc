import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'

/**
 * By account, a connection through which the WABA's templates can be read; null when all have
 * ended.
 */
export type Readers = Map<string, string | null>

/**
 * The accounts of these intervals of one WABA, each with the connection through which its templates
 * can be read now.
 */
export async function readersOf(ctx: Context, intervals: ConnectionInterval[]): Promise<Readers> {
  const readers: Readers = new Map()
  for (const interval of intervals) {
    const known = readers.get(interval.accountId)
    readers.set(interval.accountId, known ?? (await readerOf(ctx, interval)))
  }
  return readers
}

/** The interval's connection, which may have been connected again since the interval ended. */
async function readerOf(
  ctx: Context,
  { id, accountId, wabaId, disconnectedAtMs }: ConnectionInterval,
): Promise<string | null> {
  if (disconnectedAtMs === undefined) return id
  const connection = await ctx.peers.accounts.getConnection({ id }, { accountId })
  const isConnected = connection.disconnectedAtMs === undefined
  return isConnected && connection.wabaId === wabaId ? id : null
}
