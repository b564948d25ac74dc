import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { Context } from './context.ts'

/**
 * The connections that a number belonged to at a moment. A number has one connection at a time, so that an answer holds for
 * the whole interval of its connection: parts of a batch rarely need a second one.
 */
export function resolver(ctx: Context, phoneNumberId: string): (atMs: number) => Promise<Connection[]> {
  let last: Connection[] = []
  const covers = (atMs: number) => (c: Connection) => c.connectedAtMs <= atMs && atMs < (c.disconnectedAtMs ?? Number.POSITIVE_INFINITY)
  return async (atMs) => {
    if (!last.some(covers(atMs))) last = (await ctx.accounts.resolveConnections({ phoneNumberId, wabaId: '', atMs }, {})).connections
    return last
  }
}
