import { failureOf } from '@lockstep/contracts'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { UnhandledPart } from '@lockstep/rpc/gen/webhook_gateway'
import type { Context } from '../context.ts'

const askTimeoutMs = 3_000

/**
 * Why nobody may be written to: webhooks of the account's numbers are not handled, or that can't be
 * known. Holds for a slice.
 */
export async function whyUnhandled(
  ctx: Context,
  connection: Connection,
  category: string,
): Promise<string> {
  // A code that a person has just asked for goes to people who said stop, too.
  if (category === 'AUTHENTICATION') return ''
  const { accountId, phoneNumberId, appId, connectedAtMs, displayPhoneNumber } = connection
  try {
    const { oldest, dead, deadParts, hasEarlier } =
      await ctx.peers.webhookGateway.getUnhandledReplies(
        { phoneNumberId, appId, connectedAtMs },
        { accountId, timeoutMs: askTimeoutMs },
      )
    const number = displayPhoneNumber || phoneNumberId
    if (dead) return waitsBecause(deadReason(dead, deadParts))
    if (hasEarlier)
      return waitsBecause(`what came for ${number} before it was connected is not handled yet`)
    const { repliesWithinMs, longestSliceMs } = ctx.times
    const waitedMs = oldest ? ctx.now() - oldest.receivedAtMs : 0
    if (!oldest || waitedMs <= repliesWithinMs - longestSliceMs) return ''
    return waitsBecause(
      `replies are not handled: the oldest webhook of ${oldest.number} has waited for ${roughly(waitedMs)}`,
    )
  } catch (error) {
    ctx.log.debug({ err: error, accountId }, 'whether replies are handled can not be known')
    return waitsBecause(
      `it can't be known whether replies are handled: the webhook gateway can't be asked (${failureOf(error)})`,
    )
  }
}

const waitsBecause = (reason: string): string => `Waits because ${reason}`

/** From a minute on it changes once a minute: it is a write for each campaign that waits. */
const roughly = (ms: number): string =>
  ms < 60_000 ? `${Math.round(ms / 1_000)} s` : `${Math.floor(ms / 60_000)} min`

function deadReason({ number, receivedAtMs }: UnhandledPart, count: number): string {
  const since = new Date(receivedAtMs).toISOString()
  const many = count >= 100 ? '100 or more' : count
  const parts = count === 1 ? `a webhook of ${number}` : `${many} webhooks, the first of ${number},`
  const them = count === 1 ? 'it' : 'them'
  return `${parts} could not be handled (received ${since}): a person has to replay or dismiss ${them}`
}
