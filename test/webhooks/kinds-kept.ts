import type { Kind } from './kind.ts'

/** The parts that the gateway keeps of a tenant's app. */
const parts = `(select p.field, p.reason, p.lane, a.account_id
  from webhook_gateway.webhook_parts p join accounts.apps a on a.id = p.app_id) parts`

/** Nobody acts on these fields yet: each body is kept raw, is counted by its field, and leads to nothing else. */
const kept = (name: string, field: string): Kind => {
  const part = { field, lane: null, reason: 'Nobody acts on this field' }
  const nothing = {
    'contacts.contacts': [],
    'conversations.messages': [],
    'accounts.account_events': [],
  }
  return { name, outcome: 'unknown_field', rows: { [parts]: [part, part], ...nothing } }
}

export const keptKinds: Kind[] = [
  kept('kept-flows', 'flows'),
  kept('kept-group-lifecycle-update', 'group_lifecycle_update'),
  kept('kept-group-participants-update', 'group_participants_update'),
  kept('kept-group-settings-update', 'group_settings_update'),
  kept('kept-group-status-update', 'group_status_update'),
  kept('kept-automatic-events', 'automatic_events'),
  kept('kept-messaging-handovers', 'messaging_handovers'),
  kept('kept-consumer-profile', 'consumer_profile'),
  kept('kept-unknown-field', 'tracking_events'),
]
