import { setTimeout as delay } from 'node:timers/promises'
import type { FaultRun } from '../run.ts'
import type { FaultScenario } from '../scenario.ts'

export const merges: FaultScenario = {
  name: 'merges',
  guarantee:
    'recipients who turn out to be one person during a send become one contact, and are not written to a second time from then on',
  processes: ['campaigns', 'contacts'],
  async run(run, size) {
    const [total, pairs] = size === 'full' ? [1_500, 60] : [400, 15]
    const { id, tag } = await run.startCampaign(total)
    const { contacts } = await run.system.clients.contacts.listContacts(
      { tag, limit: 2 * pairs },
      run.tenant,
    )
    for (let i = 0; i < pairs; i++) {
      await delay(run.dice(0, 40))
      const [one, other] = [contacts[2 * i]!, contacts[2 * i + 1]!]
      const payload = {
        type: 'user_changed_number',
        body: 'A person changed their number',
        wa_id: other.phone,
      }
      const person = {
        phoneNumberId: run.tenant.phoneNumberId,
        from: one.phone,
        type: 'system',
        payload,
      }
      await run.system.simulator.client.inbound(person)
      run.tally.orders++
    }
    await run.finish(id)
    await assertOnePersonEach(run, id, pairs)
  },
}

/** All pairs are merged; nobody got a second message that was claimed a second or more after that, and everybody got one. */
async function assertOnePersonEach(
  run: FaultRun,
  campaignId: string,
  pairs: number,
): Promise<void> {
  const { sql } = run.system.world
  const people = await sql<{ messages: number; late: boolean }>(
    `select count(a.id)::int as messages,
            count(a.id) > 1 and max(a.claimed_at) > max(c.updated_at) filter (where c.merged_into is not null) + interval '1 second' as late
     from contacts.contacts c join campaigns.recipients r on r.contact_id = c.id and r.campaign_id = $1
     left join campaigns.attempts a on a.recipient_id = r.id and a.outcome = 'accepted'
     group by coalesce(c.merged_into, c.id) having count(c.merged_into) > 0`,
    [campaignId],
  )
  if (people.length !== pairs)
    throw new Error(`${people.length} contacts of ${pairs} are merged into another`)
  const twice = people.filter(({ late }) => late).length
  if (twice > 0)
    throw new Error(
      `${twice} people were written to a second time after their contacts had been merged`,
    )
  const never = people.filter(({ messages }) => messages === 0).length
  if (never > 0)
    throw new Error(
      `${never} people got nothing because each of their contacts was taken for the other's duplicate`,
    )
}
