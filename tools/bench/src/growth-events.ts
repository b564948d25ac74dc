import type { Clients, Tenant } from '@lockstep/testing/system'

/** Events of a large account; an endpoint has a delivery of each. */
const grownEvents = 50_000
/** One in so many deliveries has failed for good. */
const failed = 10_000

const eventId = (i: string): string =>
  `('91000000-0000-7000-8000-' || lpad(to_hex(${i}), 12, '0'))::uuid`
const endpointId = '91000000-0000-7000-8000-000000000001'

/** SQL that fills the tables of events for one account; further endpoints are of accounts without events. */
export const eventsSeed = (accountId: string): string => `
  insert into events.webhook_endpoints (id, account_id, url, description, topics, sealed_secret, enabled, follows_after, created_at)
    select ${eventId('i')}, case when i = 1 then '${accountId}'::uuid else gen_random_uuid() end, 'http://127.0.0.1:1/', '', '{conversations}', '',
      false, 0, now() from generate_series(1, 2000) i;
  insert into events.event_positions (account_id, last_id) select gen_random_uuid(), 0 from generate_series(1, 2000);
  insert into events.event_positions (account_id, last_id) values ('${accountId}', ${grownEvents})
    on conflict (account_id) do update set last_id = event_positions.last_id + ${grownEvents};
  insert into events.events (account_id, topic, id, occurred_at, kind, subject_id, body, source, entry_id, place)
    select '${accountId}', 'conversations', i, now() - (${grownEvents} - i) * interval '1 millisecond', 'message.received', i % 1000, '{}', 'grown', i, 0
    from generate_series(1, ${grownEvents}) i;
  insert into events.webhook_deliveries (endpoint_id, event_id, account_id, topic, kind, subject_id, occurred_at, state, attempts)
    select '${endpointId}', id, account_id, topic, kind, subject_id, occurred_at, case when id % ${failed} = 0 then 'failed' else 'delivered' end, 1
    from events.events where source = 'grown';
  insert into events.webhook_deliveries (endpoint_id, event_id, account_id, topic, kind, subject_id, occurred_at, state, attempts, created_at)
    select ${eventId('2')}, id, account_id, topic, kind, subject_id, now() - interval '30 days', 'delivered', 1, now() - interval '30 days'
    from events.events where source = 'grown' and id <= 10000`

/** Every call about events whose cost could grow with them. */
export function eventsCalls(
  { events }: Clients,
  tenant: Tenant,
): { name: string; run(i: number): Promise<unknown> }[] {
  const topics = ['conversations', 'campaigns']
  const list = (asked: object) => () =>
    events.listDeliveries({ endpointId, state: '', limit: 100, ...asked }, tenant)
  return [
    {
      name: 'ListEvents',
      run: (i) => events.listEvents({ topics, after: String(i * 1_000), limit: 100 }, tenant),
    },
    {
      name: 'ReadNewEvents of 200 accounts',
      run: (i) =>
        events.readNewEvents(
          {
            positions: Array.from({ length: 200 }, (_, n) => ({
              accountId:
                n === 0 ? tenant.accountId : `00000000-0000-7000-8000-${`${n}`.padStart(12, '0')}`,
              after: String(i * 1_000),
            })),
          },
          {},
        ),
    },
    { name: 'GetPosition', run: () => events.getPosition({}, tenant) },
    { name: 'ListEndpoints', run: () => events.listEndpoints({}, tenant) },
    { name: 'GetEndpoint', run: () => events.getEndpoint({ id: endpointId }, tenant) },
    { name: 'ListDeliveries', run: list({}) },
    { name: 'ListDeliveries, a later page', run: list({ before: '20000' }) },
    { name: 'ListDeliveries that failed', run: list({ state: 'failed' }) },
    { name: 'ListDeliveries that are pending', run: list({ state: 'pending' }) },
    {
      name: 'ReplayEndpoint since a moment',
      run: () =>
        events.replayEndpoint(
          { id: endpointId, deliveryIds: [], fromMs: Date.now() - 3_600_000 },
          tenant,
        ),
    },
    {
      name: 'ReplayEndpoint of some',
      run: (i) =>
        events.replayEndpoint({ id: endpointId, deliveryIds: [String(20_000 + i)] }, tenant),
    },
    { name: 'EnableEndpoint', run: () => events.enableEndpoint({ id: endpointId }, tenant) },
    { name: 'ResealSecrets of webhook endpoints', run: () => events.resealSecrets({}, {}) },
  ]
}
