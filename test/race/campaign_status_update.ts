import { scenario } from './scenario.ts'
import { deliverStatus, lostFacts, noRecipientLock, type Sent, sent } from './statuses.ts'

/** Several processes add the statuses of one campaign's messages, which arrive while they are at it. */
export const campaignStatusUpdate = scenario<Sent>({
  lock: 'campaign_status_update',
  operation: "add status facts to a campaign's attempts",
  guards: {
    lock: { is: 'campaign_status_update:{wamid}', locks: ['campaign_status_update'] },
    lane: { is: 'webhooks.campaign, one a campaign', lanes: ['webhooks.campaign'] },
    rows: {
      is: "the recipients' row locks, under which facts only move forward",
      statements: noRecipientLock,
    },
  },
  slow: [{ table: 'campaigns.attempts', on: 'update', seconds: 0.3 }],
  prepare: sent,
  async collide(race, subject) {
    for (const status of ['sent', 'delivered', 'read']) {
      await deliverStatus(race, subject, status, true)
      await race.go('webhooks.campaign', subject.campaignId)
    }
  },
  conflicts: lostFacts,
})
