import { Agent, request } from 'undici'
import { type AddressRules, publicConnector } from './connector.ts'
import { signatureOf } from './signature.ts'

/** A message as it is posted: the same id at each attempt. */
export interface Message {
  id: string
  body: string
}

interface Target {
  url: string
  /** Each signs. */
  secrets: readonly string[]
}

/** What became of a post; `status` is 0 without an answer. */
export interface Posted {
  status: number
  error: string
  durationMs: number
}

export interface Poster extends AsyncDisposable {
  /** Never throws, but with the signal's reason. */
  post(target: Target, message: Message, nowMs: number, signal?: AbortSignal): Promise<Posted>
}

/** Of an answer nothing is read but its status. */
const maxResponseBytes = 16_384
const maxHeaderBytes = 8_192
/** Of one endpoint; more wait. */
const maxSockets = 8

/** Posts to addresses that integrators name: to public ones, in bounded time, along no redirect. */
export function openPoster(rules: AddressRules, timeoutMs: number): Poster {
  const agent = new Agent({
    connect: publicConnector(rules, timeoutMs),
    connections: maxSockets,
    pipelining: 1,
    maxHeaderSize: maxHeaderBytes,
  })
  async function statusOf(
    { url, secrets }: Target,
    { id, body }: Message,
    nowMs: number,
    signal: AbortSignal,
  ) {
    const timestamp = Math.floor(nowMs / 1_000)
    const response = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Lockstep',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': secrets
          .map((secret) => signatureOf(secret, { id, timestamp, body }))
          .join(' '),
      },
      body,
      signal,
    })
    await response.body.dump({ limit: maxResponseBytes, signal })
    return response.statusCode
  }
  return {
    async post(target, message, nowMs, signal) {
      const startedAt = performance.now()
      const timeout = AbortSignal.timeout(timeoutMs)
      const either = signal ? AbortSignal.any([signal, timeout]) : timeout
      const ended = (status: number, error: string): Posted => {
        return { status, error, durationMs: Math.round(performance.now() - startedAt) }
      }
      try {
        const status = await statusOf(target, message, nowMs, either)
        return ended(status, errorOf(status))
      } catch (error) {
        signal?.throwIfAborted()
        if (timeout.aborted) return ended(0, `No answer within ${timeoutMs / 1_000} s`)
        return ended(0, messageOf(error))
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

function errorOf(status: number): string {
  if (status >= 200 && status < 300) return ''
  if (status >= 300 && status < 400) return `It was answered ${status}; redirects are not followed`
  return `It was answered ${status}`
}

function messageOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return (message || code || 'It could not be sent').slice(0, 200)
}
