import { deliverMessages, messageRows, type Written, writers, wrongInbox } from './inbound.ts'
import { scenario } from './scenario.ts'

/** Several processes store one message, which Meta delivers three times. */
export const webhookMessage = scenario<Written>({
  lock: 'webhook_message',
  operation: 'store one inbound message that is delivered again',
  guards: {
    lock: { is: 'webhook_message:{message_id}', locks: ['webhook_message'] },
    'other locks': { is: 'webhook_process:connection:{id}', locks: ['webhook_process'] },
    lane: { is: 'webhooks.message, one a number', lanes: ['webhooks.message'] },
    rows: messageRows,
  },
  slow: [{ table: 'conversations.messages', on: 'insert', seconds: 0.2 }],
  prepare: (race) => writers(race, 1, 1),
  async collide(race, written) {
    for (let n = 0; n < 3; n++) {
      await deliverMessages(race, written, written.messages)
      await race.go('webhooks.message', written.tenant.phoneNumberId)
    }
  },
  conflicts: wrongInbox,
})
