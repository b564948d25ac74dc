import { Agent } from 'undici'
import type { ElementRef, GroundTruth } from './log.ts'
import type { Settings } from './settings.ts'

/** What the log says of an attempt to deliver a webhook. */
interface DeliveryFacts {
  id: string
  appId: string
  attempt: number
  elements: ElementRef[]
}

/** Posts bodies to callback URLs and logs what was answered. */
export interface WebhookPoster extends AsyncDisposable {
  /** Answers with the HTTP status, 0 for none. */
  post(
    url: string,
    body: Buffer,
    signature: string | undefined,
    facts: DeliveryFacts,
  ): Promise<number>
}

/** After `closing` aborts, nothing is answered and nothing is logged. */
export function createWebhookPoster(
  settings: () => Settings,
  log: GroundTruth,
  closing: AbortSignal,
): WebhookPoster {
  const agent = new Agent({ keepAliveTimeout: 4_000, connections: 64 })
  return {
    async post(url, body, signature, facts) {
      const startedAtMs = Date.now()
      const timeout = AbortSignal.timeout(settings().webhooks.timeoutMs)
      const signal = AbortSignal.any([closing, timeout])
      const answer = await request(agent, url, body, signature, signal)
      if (!closing.aborted)
        void log.append({ atMs: Date.now(), kind: 'delivery', ...facts, startedAtMs, ...answer })
      return answer.httpStatus
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

async function request(
  agent: Agent,
  url: string,
  body: Buffer,
  signature: string | undefined,
  signal: AbortSignal,
): Promise<{ httpStatus: number; error?: string }> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'facebookexternalua',
    ...(signature && { 'x-hub-signature-256': signature }),
  }
  try {
    const { origin, pathname, search } = new URL(url)
    const path = pathname + search
    const response = await agent.request({ origin, path, method: 'POST', headers, body, signal })
    await response.body.dump()
    return { httpStatus: response.statusCode }
  } catch (cause) {
    const error = (cause as NodeJS.ErrnoException).code?.toString() ?? String((cause as Error).name)
    return { httpStatus: 0, error }
  }
}
