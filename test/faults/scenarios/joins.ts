import { setTimeout as delay } from 'node:timers/promises'
import type { FaultRun } from '../run.ts'
import type { FaultScenario } from '../scenario.ts'

export const joins: FaultScenario = {
  name: 'joins',
  guarantee: 'recipients who turn out to be one person during a send become one contact, and are not written to a second time from then on',
  processes: ['campaigns', 'contacts'],
  async run(run, size) {
    const [total, pairs] = size === 'full' ? [1_500, 60] : [400, 15]
    const { id, tag } = await run.startCampaign(total)
    const { contacts } = await run.stack.clients.contacts.listContacts({ tag, limit: 2 * pairs }, run.tenant)
    for (let i = 0; i < pairs; i++) {
      await delay(run.dice(0, 40))
      const [one, other] = [contacts[2 * i]!, contacts[2 * i + 1]!]
      const payload = { type: 'user_changed_number', body: 'A person changed their number', wa_id: other.phone }
      const person = { phoneNumberId: run.tenant.phoneNumberId, from: one.phone, type: 'system', payload }
      await run.stack.simulator.client.inbound(person)
      run.tally.orders++
    }
    await run.finish(id)
    await assertOnePersonEach(run, id, pairs)
  },
}

/** All pairs are joined, and nobody was claimed as a second recipient of one person a second or more after that. */
async function assertOnePersonEach(run: FaultRun, campaignId: string, pairs: number): Promise<void> {
  const { sql } = run.stack.world
  const joined = await sql<{ late: number }>(
    `select count(a.id)::int as late
     from contacts.contacts c
     left join campaigns.recipients r on r.contact_id = c.id and r.campaign_id = $1
     left join campaigns.attempts a on a.recipient_id = r.id and a.outcome = 'accepted' and a.claimed_at > c.updated_at + interval '1 second'
     where c.merged_into is not null group by c.id`,
    [campaignId],
  )
  if (joined.length !== pairs) throw new Error(`${joined.length} contacts of ${pairs} are joined to another`)
  const late = joined.filter((contact) => contact.late > 0).length
  if (late > 0) throw new Error(`${late} people were written to as a second recipient after their contacts had been joined`)
}
