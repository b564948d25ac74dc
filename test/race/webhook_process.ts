import { deliverMessages, messageRows, type Written, writers, wrongInbox } from './inbound.ts'
import { scenario } from './scenario.ts'

/** Several processes store what ten people write to one number. */
export const webhookProcess = scenario<Written>({
  lock: 'webhook_process',
  operation: "store a number's inbound messages",
  guards: {
    lock: { is: 'webhook_process:connection:{id}', locks: ['webhook_process'] },
    'other locks': { is: 'webhook_message:{message_id}', locks: ['webhook_message'] },
    lane: { is: 'webhooks.message, one a number', lanes: ['webhooks.message'] },
    rows: messageRows,
  },
  slow: [{ table: 'conversations.messages', on: 'insert', seconds: 0.2 }],
  prepare: (race) => writers(race, 10, 2),
  async collide(race, written) {
    const half = written.messages.length / 2
    for (const some of [written.messages.slice(0, half), written.messages.slice(half)]) {
      await deliverMessages(race, written, some)
      await race.go('webhooks.message', written.tenant.phoneNumberId)
    }
  },
  conflicts: wrongInbox,
})
