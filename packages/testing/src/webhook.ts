import type { RpcClient } from '@lockstep/rpc'
import type { WebhookGatewayDefinition } from '@lockstep/rpc/gen/webhook_gateway'
import { signBody } from '@lockstep/whatsapp'
import { until } from './world.ts'

/** Signed with the app's secret unless other headers are given; answers the HTTP status. */
export async function postWebhook(
  url: string,
  secret: string,
  raw: Buffer | string,
  headers = {},
): Promise<number> {
  const body = Buffer.from(raw)
  const ofMeta = {
    'content-type': 'application/json',
    'x-hub-signature-256': signBody(secret, body),
  }
  const response = await fetch(url, { method: 'POST', headers: { ...ofMeta, ...headers }, body })
  await response.arrayBuffer() // or its connection would stay taken
  return response.status
}

/** How many parts of webhooks ended with which outcome, once so many have ended. */
export function outcomesOf(
  gateway: RpcClient<typeof WebhookGatewayDefinition>,
  parts: number,
): Promise<Record<string, number>> {
  return until(async () => {
    const ended = (await gateway.countParts({}, {})).counts.filter(
      ({ outcome }) => outcome !== 'open',
    )
    const outcomes: Record<string, number> = {}
    for (const count of ended)
      outcomes[count.outcome] = (outcomes[count.outcome] ?? 0) + count.parts
    return Object.values(outcomes).reduce((sum, n) => sum + n, 0) === parts && outcomes
  })
}
