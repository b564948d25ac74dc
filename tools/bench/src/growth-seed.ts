import type { Tenant, TestSystem } from '@lockstep/testing/system'
import { eventsSeed } from './growth-events.ts'
import { oldRows } from './growth-old.ts'
import { peopleSeed } from './growth-people.ts'
import { type SeededTenant, seedTenants } from './seed.ts'

/** How many rows there are; all are of one tenant but a tenth, which is spread over further ones. */
export interface GrownSizes {
  messages: number
  contacts: number
  numbers: number
  campaigns: number
  /** Of one campaign; the others have 1,700 between them for each of its thousand. */
  recipients: number
}

/** A hundred times today's rows, or a share of them. Tables that are small at any size keep it, or a scan of them would be right. */
export function grownSizes(share: number): GrownSizes {
  const some = (rows: number) => Math.max(1_000, Math.round(rows * share))
  return {
    messages: some(5_000_000),
    contacts: some(2_000_000),
    numbers: 10_000,
    campaigns: 1_000,
    recipients: some(1_000_000),
  }
}

/** What calls need to name. */
export interface Grown {
  sizes: GrownSizes
  /** The campaign of many recipients. It is paused, and all of them are queued. */
  campaignId: string
  /** A campaign that is over. */
  endedId: string
  importId: string
}

/** To the second: times travel as whole milliseconds. */
const now = "date_trunc('second', now())"

/** Ids that ascend as those of version 7 do. */
const id = (kind: number, i: string) =>
  `('${kind}0000000-0000-7000-8000-' || lpad(to_hex(${i}), 12, '0'))::uuid`
export const grownId = (kind: keyof typeof kinds, i: number): string =>
  `${kinds[kind]}0000000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`
const kinds = {
  contact: 2,
  connection: 3,
  conversation: 4,
  campaign: 5,
  body: 6,
  template: 7,
  import: 8,
  attribute: 9,
} as const

/** The digits of contact `i`. */
export const grownPhone = (i: number): string => `49151${String(i).padStart(8, '0')}`
const phone = (i: string) => `'49151' || lpad((${i})::text, 8, '0')`

/** Fills the tables of every service with the indexes present, as they are after long use. Triggers and foreign keys are left out. */
export async function seedGrown(
  { world }: TestSystem,
  tenant: Tenant,
  sizes: GrownSizes,
  say: (what: string) => void,
): Promise<Grown> {
  const further = await seedTenants(world, 50)
  const [found] = await world.sql<{ tags: boolean }>(
    "select to_regclass('contacts.contact_tags') is not null as tags",
  )
  for (const [what, text] of statements(tenant, further, sizes, found!.tags)) {
    say(what)
    await world.sql(
      `set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '256MB'; ${text}`,
    )
  }
  say('analyze')
  await world.sql('vacuum analyze')
  return {
    sizes,
    campaignId: grownId('campaign', 1),
    endedId: grownId('campaign', 2),
    importId: grownId('import', 1),
  }
}

function statements(
  tenant: Tenant,
  further: readonly SeededTenant[],
  sizes: GrownSizes,
  hasTagTable: boolean,
): [string, string][] {
  const { messages, contacts, numbers, campaigns, recipients } = sizes
  const rows = (count: number) => `generate_series(1, ${count}) i`
  const big = `'${tenant.accountId}'::uuid`
  const one = (ids: string[]) => `('{${ids.join()}}'::uuid[])[1 + i % ${ids.length}]`
  /** Nine of ten are the big tenant's. */
  const account = `case when i % 10 <> 9 then ${big} else ${one(further.map(({ accountId }) => accountId))} end`
  const ago = (spread: string) => `${now} - (i % 1000) * interval '${spread}'`
  /** Pages are filled in the order of ids. */
  const conversations = Math.ceil(contacts / 2)
  const conversationOf = `1 + (i - 1) % ${conversations}`
  const ofConversation = (column: 'account' | 'connection') => {
    const number = `1 + (i - 1) % ${conversations} % ${numbers}`
    return column === 'account'
      ? account.replaceAll('i % ', `(${conversationOf}) % `)
      : id(kinds.connection, number)
  }
  const others = Math.max(1, Math.floor((recipients * 1.7) / (campaigns - 1)))
  const tags = `case when i % 10000 = 0 then array['rare', 'all'] when i % 10 = 0 then array['friends', 'all'] else array['all'] end`
  return [
    [
      'what is older than it is kept',
      oldRows(tenant.accountId, tenant.connectionId, Math.max(10_000, Math.ceil(messages / 50))),
    ],
    [
      'connections',
      `insert into accounts.connections (id, account_id, name, phone_number_id, waba_id, app_id, display_phone_number, verified_name,
           sealed_token, per_minute, per_second, max_per_second, quality, connected_at)
         select ${id(kinds.connection, 'i')}, ${account}, 'Grown ' || i, (90000000 + i)::text, (900000 + i % 1000)::text,
           case when i % 10 <> 9 then '${tenant.appId}'::uuid else ${one(further.map(({ appId }) => appId))} end, '+1 555 ' || i, 'Grown',
           '', 1000, 80, 80, 'GREEN', date_trunc('second', ${now} - interval '30 days') from ${rows(numbers)};
       insert into accounts.connection_intervals (connection_id, account_id, phone_number_id, app_id, waba_id, connected_at)
         select id, account_id, phone_number_id, app_id, waba_id, connected_at from accounts.connections where sealed_token = '';
       insert into accounts.account_events (account_id, waba_id, field, event, summary, value, value_hash, occurred_at, received_at)
         select ${account}, (900000 + i % 1000)::text, case when i % 2 = 0 then 'account_update' else 'phone_number_quality_update' end,
           'ONBOARDING', '', '{}', decode(md5(i::text), 'hex'), ${ago('1 hour')}, ${ago('1 hour')} from ${rows(Math.ceil(messages / 50))};
       insert into accounts.api_keys (id, account_id, name, hash, prefix, rights, created_at)
         select gen_random_uuid(), ${account}, 'Grown', decode(md5(i::text), 'hex'), 'lk_grow', '{*}', ${now} from ${rows(2_000)}`,
    ],
    ['people', peopleSeed(tenant.accountId)],
    ['events', eventsSeed(tenant.accountId)],
    [
      'templates',
      `insert into templates.templates (id, account_id, waba_id, meta_id, name, language, category, status, components, parameter_format,
           quality, rejected_reason, last_seen_at, synced_at)
         select ${id(kinds.template, 'i')}, ${account}, (900000 + i % 1000)::text, i::text, 'grown_' || i, 'en_US', 'MARKETING',
           case when i % 10 = 0 then 'REJECTED' else 'APPROVED' end, '[]', 'POSITIONAL', '', '', ${now}, ${now}
         from ${rows(Math.ceil(messages / 50))};
       insert into templates.sync_runs (id, account_id, connection_id, waba_id, state, created_at, started_at, finished_at)
         select gen_random_uuid(), ${account}, ${id(kinds.connection, `1 + i % ${numbers}`)}, '1', 'done', ${now}, ${now}, ${now}
         from ${rows(Math.ceil(messages / 50))}`,
    ],
    [
      'contacts',
      `insert into contacts.contacts (id, account_id, name, phone, wa_id, ${hasTagTable ? '' : 'tags, '}opted_out, source, last_inbound_at)
         select ${id(kinds.contact, 'i')}, ${account}, 'Person ' || i, ${phone('i')}, ${phone('i')}, ${hasTagTable ? '' : `${tags}, `}i % 20 = 0,
           'import', case when i % 2 = 0 then ${ago('1 hour')} end from ${rows(contacts)};
       insert into contacts.identities (account_id, namespace, kind, match_key, contact_id)
         select ${account}, 'number', 'phone', ${phone('i')}, ${id(kinds.contact, 'i')} from ${rows(contacts)};
       insert into contacts.consents (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
         select ${account}, 'number', ${phone('i')}, ${id(kinds.contact, 'i')}, 'opt_out', 'word', 'wamid.' || i, ${ago('1 hour')}
         from ${rows(contacts)} where i % 20 = 0;
       insert into contacts.forgotten_refusals (account_id, identity_hash, kind, said_at)
         select ${account}, decode(md5(i::text), 'hex'), 'opt_out', ${ago('1 hour')} from ${rows(Math.ceil(contacts / 10))}`,
    ],
    [
      'values of attributes',
      `insert into contacts.attribute_definitions (id, account_id, name, label, type, choices, created_at)
         values (${id(kinds.attribute, '1')}, ${big}, 'children', 'Children', 'number', '{}', ${now});
       insert into contacts.contact_values (attribute_id, contact_id, account_id, number_value)
         select ${id(kinds.attribute, '1')}, ${id(kinds.contact, 'i')}, ${big}, i % 1000 from ${rows(contacts)} where i % 10 <> 9`,
    ],
    ...(hasTagTable
      ? [
          [
            'tags',
            `insert into contacts.contact_tags (account_id, tag, contact_id)
               select ${account}, unnest(${tags}), ${id(kinds.contact, 'i')} from ${rows(contacts)}`,
          ] as [string, string],
        ]
      : []),
    [
      'imports',
      `insert into contacts.imports (id, account_id, file_name, state, total_bytes, done_bytes, created_at, finished_at)
         select ${id(kinds.import, 'i')}, case when i = 1 then ${big} else ${account} end, 'grown.csv', 'done', 100, 100, ${now}, ${now}
         from ${rows(2_000)};
       insert into contacts.import_chunks (import_id, seq, account_id, bytes)
         select ${id(kinds.import, '1 + i % 2000')}, i, ${big}, '\\x00' from ${rows(Math.ceil(messages / 50))};
       insert into contacts.import_errors (import_id, line, account_id, reason)
         select ${id(kinds.import, 'case when i % 2 = 0 then 1 else 1 + i % 2000 end')}, i, ${big}, 'The phone number is missing'
         from ${rows(Math.ceil(messages / 50))}`,
    ],
    [
      'conversations',
      `insert into conversations.conversations (id, account_id, connection_id, contact_id, unread, last_text, last_message_at, window_until)
         select ${id(kinds.conversation, 'i')}, ${account}, ${id(kinds.connection, `1 + (i - 1) % ${numbers}`)}, ${id(kinds.contact, 'i')},
           i % 3, 'Is it still there?', ${ago('1 hour')}, ${ago('1 hour')} + interval '24 hours' from ${rows(conversations)}`,
    ],
    [
      'messages',
      `insert into conversations.messages (account_id, conversation_id, connection_id, wamid, direction, type, text, at, payload, received_at)
         select ${ofConversation('account')}, ${id(kinds.conversation, conversationOf)}, ${ofConversation('connection')}, 'wamid.grown.' || i, 'in',
           'text', 'Is it still there?', ${ago('1 hour')}, '{"type": "text"}', ${ago('1 hour')} from ${rows(messages)};
       insert into conversations.reactions (account_id, connection_id, target_wamid, conversation_id, emoji, at, wamid)
         select ${ofConversation('account')}, ${ofConversation('connection')}, 'wamid.grown.' || i, ${id(kinds.conversation, conversationOf)}, '+', ${now}, 'wamid.r.' || i
         from ${rows(Math.ceil(messages / 50))}`,
    ],
    [
      'campaigns',
      `insert into campaigns.campaigns (id, account_id, name, connection_id, phone_number_id, app_id, template_id, filter, values, state, created_at)
         select ${id(kinds.campaign, 'i')}, case when i <= 2 then ${big} else ${account} end, 'Grown ' || i, '${tenant.connectionId}', '${tenant.phoneNumberId}', '${tenant.appId}',
           (select id from templates.templates where account_id = ${big} and name = 'spring_offer' limit 1), '{"tags": ["all"]}',
           '{"header.1": "{{name}}", "body.1": "20 %", "body.2": "Sunday"}', case when i = 1 then 'paused' else 'completed' end, ${now}
         from ${rows(campaigns)};
       insert into campaigns.campaign_statistics (campaign_id, account_id, recipients, queued, accepted, sent)
         select id, account_id, n, case when state = 'paused' then n else 0 end, case when state = 'paused' then 0 else n end,
           case when state = 'paused' then 0 else n end
         from (select *, case when state = 'paused' then ${recipients} else ${others} end as n from campaigns.campaigns where name like 'Grown %') c`,
    ],
    [
      'recipients',
      `insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, not_before)
         select ${big}, ${id(kinds.campaign, '1')}, ${id(kinds.contact, 'i')}, ${id(kinds.campaign, '1')}, ${phone('i')}, '',
           '{"header.1": "Person", "body.1": "20 %", "body.2": "Sunday"}', 'queued', '-infinity' from ${rows(recipients)};
       insert into campaigns.recipients (account_id, campaign_id, contact_id, run_id, phone, user_id, values, state, attempts)
         select c.account_id, c.id, ${id(kinds.contact, 'i')}, c.id, ${phone('i')}, '', '{"header.1": "Person", "body.1": "20 %", "body.2": "Sunday"}', 'sent', 1
         from campaigns.campaigns c, ${rows(others)} where c.state = 'completed' and c.name like 'Grown %'`,
    ],
    [
      'attempts',
      `insert into campaigns.attempts (account_id, campaign_id, recipient_id, number, outcome, fence, wamid, claimed_at, accepted_at, sent_at)
         select account_id, campaign_id, id, 1, 'accepted', 1, 'wamid.grown.a' || id, ${now} - interval '1 day', ${now}, ${now}
         from campaigns.recipients where state = 'sent';
       update campaigns.recipients r set attempt_id = a.id from campaigns.attempts a
         where a.recipient_id = r.id and a.campaign_id = r.campaign_id and r.state = 'sent'`,
    ],
    [
      'webhooks',
      `insert into webhook_gateway.webhook_bodies (id, app_id, received_at, raw)
         select ${id(kinds.body, 'i')}, '${tenant.appId}', ${now} - (i % 23) * interval '1 hour', '{}' from ${rows(Math.ceil(messages / 5))};
       insert into webhook_gateway.webhook_parts (body_id, app_id, received_at, lane, key, field, elements, outcome, reason, outcome_at)
         select ${id(kinds.body, 'i')}, '${tenant.appId}', ${now} - (i % 23) * interval '1 hour', 'webhooks.message', (90000000 + i % ${numbers})::text,
           'messages', 1, case when i % 1000 = 0 then 'dead' when i % 100 = 0 then 'no_connection' else 'done' end, '', ${now}
         from ${rows(Math.ceil(messages / 5))}`,
    ],
    [
      'idempotency keys',
      `insert into api.idempotency_keys (account_id, key, request_hash, state, status, response, created_at)
         select ${account}, i::text, '\\x00', 'done', 200, '{}', ${now} - (i % 20) * interval '1 hour' from ${rows(Math.ceil(messages / 50))}`,
    ],
    ['entries of feeds', feedEntries(Math.max(20_000, Math.ceil(messages / 50)))],
  ]
}

/** Entries that nothing takes: some are due much later, some are dead. */
function feedEntries(count: number): string {
  const lanes = {
    webhook_gateway: 'webhooks.message',
    campaigns: 'campaigns.run',
    contacts: 'contacts.import',
    templates: 'templates.sync',
  }
  return Object.entries(lanes)
    .map(
      ([schema, lane]) => `insert into ${schema}.feed_open (lane, key, row_id, not_before)
        select '${lane}', 'grown-' || i % 5000, '1', ${now} + interval '1 day' from generate_series(1, ${count}) i;
      insert into ${schema}.feed_dead (id, lane, key, kind, row_id, bytes, attempts, created_at, reason)
        select -i, '${lane}', 'grown-' || i % 5000, '', '1', 0, 3, ${now}, 'It failed' from generate_series(1, ${count}) i`,
    )
    .join(';\n')
}
