import type { Tenant, TestSystem } from '@lockstep/testing/system'
import { at } from './ada.ts'
import type { Kind } from './kind.ts'

const unsaid = { sent_at: null, delivered_at: null, read_at: null, failed_at: null, code: null }

/** A status without a token, of a campaign's message: it is found by its wamid. */
function status(
  name: string,
  facts: Record<string, unknown>,
  more: Partial<Kind> & { rows?: Kind['rows'] } = {},
): Kind {
  const rows = {
    'campaigns.attempts': [{ wamid: `wamid.${name}`, ...unsaid, ...facts }],
    ...more.rows,
  }
  return {
    name,
    given: (stack, tenant) => sentByCampaign(stack, tenant, `wamid.${name}`),
    outcome: 'done',
    ...more,
    rows,
  }
}

/** What became of messages that we sent, and errors without one. */
export const statusKinds: Kind[] = [
  status('status-sent', { sent_at: at(1) }),
  status('status-delivered', { delivered_at: at(1) }),
  status('status-read', { read_at: at(1) }),
  status('status-played', { read_at: at(1) }),
  status('status-failed', { failed_at: at(1), code: 131026 }),
  status('status-failed-old-error', { failed_at: at(1), code: 131026 }),
  status(
    'status-failed-stopped-marketing',
    { failed_at: at(1), code: 131050 },
    {
      rows: {
        'contacts.contacts': [{ phone: '491512000001', opted_out: true }],
        'contacts.consents': [{ kind: 'opt_out', via: 'error_131050', said_at: at(1) }],
      },
    },
  ),
  status(
    'status-failed-with-two-errors',
    { failed_at: at(1), code: 131050 },
    {
      rows: {
        'contacts.contacts': [{ phone: '491512000001', opted_out: true }],
        'contacts.consents': [{ kind: 'opt_out', via: 'error_131050', said_at: at(1) }],
      },
    },
  ),
  status('status-failed-without-a-reason', {
    failed_at: at(1),
    reason: 'Meta did not deliver it and gave no reason.',
  }),
  status('status-without-a-recipient', { delivered_at: at(1) }),
  // Of each fact the first participant's: one attempt has one row, however many people a group has.
  status('status-of-a-group', { delivered_at: '2026-01-01T10:00:30Z', read_at: at(2) }),
  status('status-of-tomorrow', {}, { outcome: 'no_action' }),
  { name: 'status-of-a-stranger', outcome: 'no_match', rows: { 'campaigns.attempts': [] } },
  {
    name: 'errors-of-a-number',
    outcome: 'done',
    rows: {
      'conversations.messages': [],
      'contacts.contacts': [],
      'accounts.account_events': [
        {
          field: 'messages',
          event: 'error 130429',
          summary:
            'Meta reports an error of 15550100 (130429): Rate limit hit. ' +
            'This number has reached its throughput limit. Sending goes on more slowly by itself.',
          occurred_at: null,
        },
      ],
    },
  },
]

/** A campaign whose one message to Ada Meta has accepted. */
async function sentByCampaign(
  { world, importContacts }: TestSystem,
  tenant: Tenant,
  wamid: string,
): Promise<void> {
  await importContacts(tenant, ['+491512000001'])
  await world.sql(
    `with c as (
      insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
      select gen_random_uuid(), account_id, 'Spring', id, phone_number_id, app_id, gen_random_uuid(), '{}', '{}', 'sending', now()
      from accounts.connections where account_id = $1 and id = $2 returning id, account_id
    ), s as (
      insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, accepted) select id, account_id, 1, 1 from c
    ), r as (
      insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempt_id, attempts)
      select c.account_id, c.id, p.id, gen_random_uuid(), p.phone, '', '{}', 'accepted', 1, 1
      from c join contacts.contacts p using (account_id) returning id, account_id, campaign_id
    ), a as (
      insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, accepted_at)
      select account_id, campaign_id, id, 1, 'accepted', 1, $3, now() from r returning id, recipient_id
    ) select a.id from a`,
    [tenant.accountId, tenant.connectionId, wamid],
  )
  await world.sql(
    'update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a where a.recipient_id = r.id and a.wamid = $1',
    [wamid],
  )
}
