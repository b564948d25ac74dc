import { scenario } from './scenario.ts'
import { deliverStatus, lostFacts, noRecipientLock, type Sent, sent } from './statuses.ts'

/** Several processes hand on the statuses of a number that came without the token of their message. */
export const webhookStatus = scenario<Sent>({
  lock: 'webhook_status',
  operation: 'hand on statuses that came without a token',
  guards: {
    lock: { is: 'webhook_status:{wamid}', locks: ['webhook_status'] },
    'other locks': { is: 'webhook_process:connection:{id}', locks: ['webhook_process'] },
    lane: { is: 'webhooks.message, one a number', lanes: ['webhooks.message'] },
    rows: {
      is: "the recipients' row locks, under which facts only move forward",
      statements: noRecipientLock,
    },
  },
  slow: [{ table: 'campaigns.attempts', on: 'update', seconds: 0.3 }],
  prepare: sent,
  async collide(race, subject) {
    for (const status of ['sent', 'delivered', 'read']) {
      await deliverStatus(race, subject, status, false)
      await race.go('webhooks.message', subject.tenant.phoneNumberId)
    }
  },
  conflicts: lostFacts,
})
