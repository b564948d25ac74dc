import type { ConnectionInterval } from '@lockstep/rpc/gen/accounts'
import type { Context } from './context.ts'

/**
 * The connections that a number belonged to at a moment. A number has one connection at a time, so that an answer holds for
 * the whole interval of its connection: parts of a batch rarely need a second one.
 */
export function resolver(ctx: Context, phoneNumberId: string): (atMs: number) => Promise<ConnectionInterval[]> {
  let last: ConnectionInterval[] = []
  const covers = (atMs: number) => (c: ConnectionInterval) =>
    c.connectedAtMs <= atMs && atMs < (c.disconnectedAtMs ?? Number.POSITIVE_INFINITY)
  return async (atMs) => {
    if (!last.some(covers(atMs)))
      last = (await ctx.accounts.resolveConnections({ phoneNumberIds: [phoneNumberId], fromMs: atMs, untilMs: atMs }, {})).intervals
    return last
  }
}
