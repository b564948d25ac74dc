import type { Subject } from '../campaign.ts'
import { prepared } from '../campaign_send.ts'
import { pathGuard } from './path-guard.ts'

const optOuts = 10

interface OptedOut extends Subject {
  /** Numbers of those who opted out, as Meta is given them. */
  numbers: string[]
}

/** People opt out after the campaign's list was frozen and before it is sent. */
export const consentCheck = pathGuard<OptedOut>({
  name: 'consent check',
  work: {
    slow: [],
    async prepare(race) {
      const subject = await prepared(race)
      const recipients = await race.sql<{ contact_id: string; phone: string }>(
        'select contact_id, phone from campaigns.recipients where campaign_id = $1 order by id limit $2',
        [subject.campaignId, optOuts],
      )
      for (const { contact_id: contactId } of recipients)
        await race.system.clients.contacts.recordConsent(
          { contactId, kind: 'opt_out', evidence: 'said so' },
          subject.tenant,
        )
      return { ...subject, numbers: recipients.map(({ phone }) => phone.replace(/\D/g, '')) }
    },
    async collide(race, { tenant, campaignId }) {
      await race.system.clients.campaigns.resumeCampaign({ id: campaignId }, tenant)
    },
    async conflicts(race, { campaignId, numbers }) {
      const posts = await race.system.simulator.client.accepted({
        callbackPrefix: `lk1.c.${campaignId}.`,
      })
      const refused = new Set(numbers)
      const written = posts.filter(({ recipient }) => refused.has(recipient!.replace(/\D/g, '')))
      return written.map(() => 'a person who had opted out was written to')
    },
  },
  taken: {
    is: 'contacts is asked between the claim and the POST',
    statements: [
      { in: 'with recursive chain', replace: String.raw`c\.opted_out as`, by: 'false as' },
    ],
  },
  beside: {},
  wrong: 'whoever opts out after the list was frozen is written to',
})
