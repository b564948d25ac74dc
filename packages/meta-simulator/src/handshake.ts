import { randomUUID } from 'node:crypto'
import type { Context } from './context.ts'

export interface Handshake {
  verified: boolean
  httpStatus: number
  answer: string
  challenge: string
}

/** Performs the handshake that Meta does when a callback URL is saved (meta-cloud-api.md §1 "Verification handshake"). */
export async function handshake(
  ctx: Context,
  callbackUrl: string,
  verifyToken: string,
): Promise<Handshake> {
  const challenge = String(
    1_000_000_000 + (Number.parseInt(randomUUID().slice(0, 8), 16) % 1_000_000_000),
  )
  const url = new URL(callbackUrl)
  url.searchParams.set('hub.mode', 'subscribe')
  url.searchParams.set('hub.challenge', challenge)
  url.searchParams.set('hub.verify_token', verifyToken)
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(ctx.settings.webhooks.timeoutMs),
      headers: { 'user-agent': 'facebookexternalua' },
    })
    const answer = (await response.text()).slice(0, 1_000)
    return {
      verified: response.status === 200 && answer === challenge,
      httpStatus: response.status,
      answer,
      challenge,
    }
  } catch (cause) {
    return { verified: false, httpStatus: 0, answer: String(cause), challenge }
  }
}
