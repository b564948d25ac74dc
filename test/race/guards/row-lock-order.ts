import { wrongStatistics } from '../campaign.ts'
import { campaignStatusUpdate } from '../campaign_status_update.ts'
import { deliverStatus, type Sent, sent } from '../statuses.ts'
import { layersOf, pathGuard } from './path-guard.ts'

const locking = 'select id::text, variant, contact_id as "contactId", state'

/** Several processes record one status of the same messages. */
export const rowLockOrder = pathGuard<Sent>({
  name: 'row-lock order',
  work: {
    slow: [],
    slowStatements: [
      {
        in: locking,
        replace: 'select id::text,',
        by: 'select id::text, pg_sleep(0.005)::text as slowly,',
      },
    ],
    prepare: sent,
    async collide(race, subject) {
      await deliverStatus(race, subject, 'delivered', true)
      await race.go('webhooks.campaign', subject.campaignId)
    },
    async conflicts(race, subject) {
      const deadlocks = await race.deadlocks()
      return [
        ...Array<string>(deadlocks).fill('PostgreSQL ended a deadlocked transaction'),
        ...(await wrongStatistics(race, subject)),
      ]
    },
  },
  taken: {
    is: 'whoever changes many rows first locks them in the order of their primary key',
    statements: [
      {
        in: locking,
        replace: String.raw`order by recipients\.campaign_id, recipients\.id for update`,
        by: 'order by md5(recipients.id::text || pg_backend_pid()::text) for update',
      },
    ],
  },
  beside: layersOf(campaignStatusUpdate, 'lock', 'lane'),
  wrong: 'each process locks in an order of its own, and they deadlock',
})
