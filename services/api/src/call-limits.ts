import { Throttled } from '@lockstep/contracts'
import type { CallGrant, CallLimit } from '@lockstep/locks'
import { counter } from '@lockstep/telemetry'
import type { Caller } from './authenticator.ts'
import type { Context } from './context.ts'

const unlimited = counter(
  'lockstep_api_unlimited_total',
  'Requests that were let through because Redis did not say how many there were',
)

/** A request waits no longer for the limiter. */
const patienceMs = 250

/** A limit, what it is called for people, and how it stands. */
interface Standing extends CallGrant, CallLimit {
  policy: 'key' | 'person' | 'account'
}

/** How a caller stands, as headers; `refused` says what is used up. */
export interface CallAllowance {
  headers: Readonly<Record<string, string>>
  refused?: Throttled
}

/**
 * Counts a request against its key or person, and its account. Without Redis it is let through and counted:
 * the share of each account in a process still bounds it.
 */
export async function countCall(
  { limiter, config }: Pick<Context, 'limiter' | 'config'>,
  caller: Caller,
): Promise<CallAllowance> {
  const { accountId } = caller
  const own =
    caller.kind === 'program'
      ? ({ policy: 'key', id: caller.keyId } as const)
      : ({ policy: 'person', id: caller.personId } as const)
  const limits = [
    { ...own, name: 'api_caller', perMinute: config.keyCallsPerMinute },
    {
      policy: 'account',
      name: 'api_account',
      id: accountId,
      perMinute: config.accountCallsPerMinute,
    },
  ] as const
  const grants = await within(patienceMs, limiter.takeCall(limits))
  if (grants) return allowanceOf(limits.map((limit, at) => ({ ...limit, ...grants[at]! })))
  unlimited(1)
  return { headers: {} }
}

/** Undefined when it fails, or takes longer. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(late.resolve, ms, undefined)
  try {
    return await Promise.race([answer.catch(() => undefined), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function allowanceOf(standings: readonly Standing[]): CallAllowance {
  const headers = limitHeaders(standings)
  const over = standings.filter(({ retryAfterMs }) => retryAfterMs > 0)
  if (over.length === 0) return { headers }
  const { policy, perMinute, retryAfterMs } = over.toSorted(
    (a, b) => b.retryAfterMs - a.retryAfterMs,
  )[0]!
  const message = `${names[policy]} may make ${perMinute} requests a minute, a quarter of them at once; send this one again in ${seconds(retryAfterMs)} s`
  return { headers, refused: new Throttled(message, retryAfterMs) }
}

const names = { key: 'This API key', person: 'One person', account: 'Your account' } as const

const seconds = (ms: number): number => Math.ceil(ms / 1000)

/**
 * RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10), and the three fields of
 * its drafts before 7 for the limit with the least left.
 */
function limitHeaders(standings: readonly Standing[]): Record<string, string> {
  const least = standings.toSorted((a, b) => a.remaining - b.remaining)[0]!
  return {
    'ratelimit-policy': standings
      .map(({ policy, perMinute }) => `"${policy}";q=${perMinute};w=60`)
      .join(', '),
    ratelimit: standings
      .map(({ policy, remaining, resetMs }) => `"${policy}";r=${remaining};t=${seconds(resetMs)}`)
      .join(', '),
    'ratelimit-limit': String(least.perMinute),
    'ratelimit-remaining': String(least.remaining),
    'ratelimit-reset': String(seconds(least.resetMs)),
  }
}
