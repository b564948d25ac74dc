import { failureOf } from '@lockstep/contracts'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { UnheardPart } from '@lockstep/rpc/gen/webhook_gateway'
import type { Context } from './context.ts'

/** What a person says is known when somebody is written to so long after Meta was told 200, at the latest. */
export const heardWithinMs = 30_000
const askTimeoutMs = 3_000

const notHeard = 'Waits because '

/**
 * Why nobody may be written to for now, in words: what came for the account's numbers is not handled, or that can't be known. Empty
 * when it is. The answer holds for a slice of `sliceMs`, which counts as part of the time.
 */
export async function whyUnheard(
  ctx: Context,
  connection: Connection,
  category: string,
  sliceMs: number,
): Promise<string> {
  // A code that a person has just asked for goes to people who said stop, too.
  if (category === 'AUTHENTICATION') return ''
  const { accountId, phoneNumberId, appId, connectedAtMs, displayPhoneNumber } = connection
  try {
    const asked = { phoneNumberId, appId, connectedAtMs }
    const { oldest, dead, deadParts, hasEarlier } = await ctx.peers.webhookGateway.getHearing(
      asked,
      { accountId, timeoutMs: askTimeoutMs },
    )
    if (dead) return `${notHeard}${deadWords(dead, deadParts)}`
    if (hasEarlier)
      return `${notHeard}what came for ${displayPhoneNumber || phoneNumberId} before it was connected is not handled yet`
    const waitedMs = oldest ? ctx.now() - oldest.receivedAtMs : 0
    if (!oldest || waitedMs <= heardWithinMs * ctx.scale - sliceMs) return ''
    return `${notHeard}replies are not heard: the oldest webhook of ${oldest.number} has waited for ${timeWords(waitedMs)}`
  } catch (error) {
    ctx.log.debug({ err: error, accountId }, 'whether replies are heard can not be known')
    return `${notHeard}it can't be known whether replies are heard: the webhook gateway can't be asked (${failureOf(error)})`
  }
}

/** From a minute on it changes once a minute: it is a write for each campaign that waits. */
const timeWords = (ms: number) =>
  ms < 60_000 ? `${Math.round(ms / 1_000)} s` : `${Math.floor(ms / 60_000)} min`

function deadWords({ number, receivedAtMs }: UnheardPart, count: number): string {
  const since = new Date(receivedAtMs).toISOString()
  const many =
    count === 1
      ? `a webhook of ${number}`
      : `${count >= 100 ? '100 or more' : count} webhooks, the first of ${number},`
  return `${many} could not be handled (received ${since}): a person has to replay or dismiss ${count === 1 ? 'it' : 'them'}`
}
