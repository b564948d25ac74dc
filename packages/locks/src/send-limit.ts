import { rateLimits, sendLimits } from '@lockstep/contracts'
import { inOneTurn, type Redis } from './redis.ts'
import {
  backoff,
  bookSlotsScript,
  giveBackScript,
  type SendClass,
  throttledScript,
} from './send-script.ts'

export type { SendClass } from './send-script.ts'

export interface SendRequest {
  connectionId: string
  /** The connection's limit in any minute, from 1 up to what Meta grants it. */
  perMinute: number
  /** The connection's limit in any second, at least 1. */
  perSecond: number
  class: SendClass
  /** How many slots are wanted. */
  count: number
}

/** Slots in which certainly nothing was written, and the recipients of their messages. */
export interface Unused extends Pick<SendRequest, 'connectionId' | 'class'> {
  ids: readonly number[]
  recipients: readonly string[]
}

/** Slots in Redis time, in µs; `retryAfterMs` is null when as many were granted as were wanted. */
export interface SendGrant {
  nowUs: number
  slotsUs: number[]
  retryAfterMs: number | null
}

/** The most slots of a call, so that Redis serves others meanwhile. */
const maxSlotsACall = 500
const maxRequestsACall = 32

/** Books slots of one connection on the clock of Redis. */
export async function takeSlots(
  redis: Redis,
  request: SendRequest,
  scale: number,
  nonce: string,
): Promise<SendGrant> {
  return (await takeAll(redis, [request], scale, nonce))[0] as SendGrant
}

/** What `takeSlots` would book at this moment. */
export async function lookAtSlots(
  redis: Redis,
  request: SendRequest,
  scale: number,
): Promise<SendGrant> {
  return (await takeAll(redis, [request], scale, '', true))[0] as SendGrant
}

/** Takes unused slots out of the minute's logs, and deletes the pairs booked for them. */
export async function giveSlotsBack(
  redis: Redis,
  { connectionId, class: of, ids, recipients }: Unused,
): Promise<void> {
  const logs = [
    rateLimits.whatsapp_api_rate_limit.key(connectionId),
    sendLimits.reserve.key(connectionId),
  ]
  const pairs = recipients.map((recipient) => sendLimits.pair.key(connectionId, recipient))
  await giveBackScript(
    redis,
    [...(of === 'bulk' ? logs : logs.toReversed()), ...pairs],
    ids.map(String),
  )
}

/** One call for all that is asked in one turn of the event loop; gives also when it went out. */
export function slotBooker(
  redis: Redis,
  scale: number,
  nonce: () => string,
): (request: SendRequest) => Promise<SendGrant & { askedAt: number }> {
  return inOneTurn(fits, async (requests: SendRequest[]) => {
    const askedAt = performance.now()
    const grants = await takeAll(redis, requests, scale, nonce())
    return grants.map((grant) => ({ ...grant, askedAt }))
  })
}

/** How many of the requests, from `from` on, one script serves. */
function fits(requests: readonly SendRequest[], from: number): number {
  let slots = 0
  let n = 0
  for (const { count } of requests.slice(from, from + maxRequestsACall)) {
    slots += count
    if (n > 0 && slots > maxSlotsACall) break
    n++
  }
  return n
}

/** The nonce is of this call alone: what it adds to a log has to be new there. */
async function takeAll(
  redis: Redis,
  requests: readonly SendRequest[],
  scale: number,
  nonce: string,
  isQuestion = false,
): Promise<SendGrant[]> {
  const keys: string[] = []
  const args: (string | number)[] = [`${nonce}:`]
  for (const { connectionId, class: of, count, perMinute, perSecond } of requests) {
    keys.push(rateLimits.whatsapp_api_rate_limit.key(connectionId))
    args.push(isQuestion ? `?${of}` : of, Math.min(count, maxSlotsACall), perMinute, perSecond)
  }
  const [nowUs, ...grants] = (await bookSlotsScript(scale)(redis, keys, args)) as [
    number,
    ...number[][],
  ]
  return grants.map(([retryAfterMs, ...fromNowUs], i) => ({
    nowUs,
    slotsUs: fromNowUs.map((us) => nowUs + us),
    retryAfterMs: fromNowUs.length < requests[i]!.count ? Math.max(1, retryAfterMs!) : null,
  }))
}

/** Slows a connection down for all processes. */
export async function slowDown(
  redis: Redis,
  connectionId: string,
  retryAfterMs: number,
  scale: number,
): Promise<void> {
  const args = [backoff.sameEventMs, backoff.recoverEveryMs].map((ms) =>
    Math.round(ms * scale * 1000),
  )
  await throttledScript(
    redis,
    [sendLimits.backoff.key(connectionId)],
    [...args, Math.round(retryAfterMs * 1000)],
  )
}
