import { randomBytes } from 'node:crypto'
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

interface InboundText {
  phoneNumberId: string
  wabaId: string
  from?: string
  text?: string
  /** Seconds since the epoch. */
  timestamp?: number
}

/** A webhook's body with one text message of a person to a number. */
export function messageWebhook({
  phoneNumberId,
  wabaId,
  from = '491512999999',
  text = 'hello',
  timestamp = 1_764_000_000,
}: InboundText): { wamid: string; body: string } {
  const wamid = `wamid.${randomBytes(12).toString('hex')}`
  const said = { timestamp: String(timestamp), type: 'text', text: { body: text } }
  const value = {
    messaging_product: 'whatsapp',
    metadata: { phone_number_id: phoneNumberId },
    messages: [{ from, id: wamid, ...said }],
  }
  const entry = [{ id: wabaId, changes: [{ field: 'messages', value }] }]
  return { wamid, body: JSON.stringify({ object: 'whatsapp_business_account', entry }) }
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
