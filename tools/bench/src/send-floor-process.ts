/**
 * The least work that a program does that sends a campaign's messages and leaves its rows: for 200 of them one statement that claims, the
 * POSTs, and one statement that records. No check, no limit, no lock, no words.
 */
import { buildTemplateMessage, type SendableTemplate } from '@lockstep/whatsapp'
import { Pool } from 'undici'
import type { Round } from './measure.ts'
import { openWatcher, type Watcher } from './watcher.ts'

export interface SendFloor {
  adminUrl: string
  url: string
  accessToken: string
  template: SendableTemplate
  values: Record<string, string>
  campaignId: string
  /** Its recipients that are queued. */
  messages: number
  connections: number
}

interface Claimed {
  recipient: string
  attempt: string
  phone: string
}

const group = 200

const claim = `with p as (select id from campaigns.recipients where campaign_id = $1 and not_before is not null
                 order by not_before desc, id limit $2 for update skip locked),
     a as (insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, fence)
           select r.account_id, r.campaign_id, r.id, 1, 1 from p join campaigns.recipients r on r.campaign_id = $1 and r.id = p.id order by r.id
           returning id, recipient_id)
  update campaigns.recipients r set state = 'sending', not_before = null, attempts = 1, attempt_id = a.id
  from a where r.campaign_id = $1 and r.id = a.recipient_id returning r.id::text as recipient, a.id::text as attempt, r.phone`

const record = `with v as (select * from unnest($2::bigint[], $3::bigint[], $4::text[]) v(recipient, attempt, wamid)),
     a as (update campaigns.attempts a set outcome = 'accepted', wamid = v.wamid, accepted_at = now()
           from v where a.campaign_id = $1 and a.id = v.attempt returning 1),
     r as (update campaigns.recipients r set state = 'accepted' from v where r.campaign_id = $1 and r.id = v.recipient returning 1)
  update campaigns.campaign_statistics set queued = queued - $5, accepted = accepted + $5 where campaign_id = $1 and variant = 0`

async function run(floor: SendFloor, rows: Watcher, pool: Pool): Promise<Round> {
  const { campaignId, messages } = floor
  const headers = {
    authorization: `Bearer ${floor.accessToken}`,
    'content-type': 'application/json',
  }
  const { pathname } = new URL(floor.url)
  const latenciesMs: number[] = []
  const from = performance.now()
  const post = async ({ attempt, phone }: Claimed) => {
    const message = buildTemplateMessage({
      template: floor.template,
      to: { phone },
      values: floor.values,
      token: `floor.${attempt}`,
    })
    const answer = await pool.request({
      path: pathname,
      method: 'POST',
      headers,
      body: JSON.stringify(message),
    })
    const { messages } = (await answer.body.json()) as { messages: [{ id: string }] }
    return messages[0].id
  }
  async function send(claimed: Claimed[]): Promise<void> {
    const before = performance.now()
    const wamids = await Promise.all(claimed.map(post))
    await rows.sql(
      record,
      [
        campaignId,
        claimed.map((c) => c.recipient),
        claimed.map((c) => c.attempt),
        wamids,
        claimed.length,
      ],
      'record',
    )
    for (const _ of claimed) latenciesMs.push(performance.now() - before)
  }
  let sending: Promise<void> = Promise.resolve()
  for (let left = messages; left > 0; left -= group) {
    const claimed = await rows.sql<Claimed>(claim, [campaignId, Math.min(group, left)], 'claim')
    await sending
    sending = send(claimed)
  }
  await sending
  return { operations: messages, elapsedMs: performance.now() - from, latenciesMs }
}

let rows: Watcher | undefined
let pool: Pool | undefined
process.on('message', async (floor: SendFloor) => {
  rows ??= await openWatcher(floor.adminUrl)
  pool ??= new Pool(new URL(floor.url).origin, { connections: floor.connections })
  process.send?.(await run(floor, rows, pool))
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
