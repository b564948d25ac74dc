import type { Invariant } from '../invariant.ts'

/** Every column by which a tenant's row names another one, within a service and across services. */
const references: readonly [table: string, column: string, to: string][] = [
  ['accounts.connections', 'app_id', 'accounts.apps'],
  ['accounts.connection_intervals', 'app_id', 'accounts.apps'],
  ['accounts.connection_intervals', 'connection_id', 'accounts.connections'],
  ['accounts.restrictions', 'connection_id', 'accounts.connections'],
  ['contacts.identities', 'contact_id', 'contacts.contacts'],
  ['contacts.consents', 'contact_id', 'contacts.contacts'],
  ['contacts.contacts', 'merged_into', 'contacts.contacts'],
  ['contacts.contacts', 'last_import_id', 'contacts.imports'],
  ['contacts.import_chunks', 'import_id', 'contacts.imports'],
  ['contacts.import_errors', 'import_id', 'contacts.imports'],
  ['templates.sync_runs', 'connection_id', 'accounts.connections'],
  ['campaigns.campaigns', 'connection_id', 'accounts.connections'],
  ['campaigns.campaigns', 'template_id', 'templates.templates'],
  ['campaigns.campaign_statistics', 'campaign_id', 'campaigns.campaigns'],
  ['campaigns.recipients', 'campaign_id', 'campaigns.campaigns'],
  ['campaigns.recipients', 'contact_id', 'contacts.contacts'],
  ['campaigns.attempts', 'campaign_id', 'campaigns.campaigns'],
  ['campaigns.attempts', 'recipient_id', 'campaigns.recipients'],
  ['conversations.conversations', 'connection_id', 'accounts.connections'],
  ['conversations.conversations', 'contact_id', 'contacts.contacts'],
  ['conversations.messages', 'connection_id', 'accounts.connections'],
  ['conversations.messages', 'contact_id', 'contacts.contacts'],
  ['conversations.messages', 'conversation_id', 'conversations.conversations'],
]

const reference = ([table, column, to]: (typeof references)[number]) => `
    select '${table}.${column}' as "column", coalesce(to_jsonb(t) ->> 'id', t.${column}::text) as row, t.account_id,
           t.${column}::text as names, o.account_id as its_account_id
    from ${table} t join ${to} o on o.id = t.${column}
    where o.account_id <> t.account_id`

export const accounts: Invariant = {
  id: 'I11',
  statement:
    "Rows that refer to one another belong to one account, and each POST went out by a number of its attempt's account.",
  means: "One customer's data has reached another's: stop and find out how before anything else.",
  rows: 'afterLog',
  needs: 'log',
  checked: `select (select count(*) from g_posts where attempt_id is not null)
    ${references.map(([table]) => `+ (select count(*) from ${table})`).join(' ')}`,
  violations: `${references.map(reference).join(' union all ')}
    union all
    select 'POST ' || p.seq, a.id::text, a.account_id, p.phone_number_id, c.account_id
    from g_posts p
    join campaigns.attempts a on a.id = p.attempt_id and a.campaign_id = p.campaign_id
    left join campaigns.campaigns g on g.id = a.campaign_id
    left join accounts.connections c on c.id = g.connection_id
    where (c.account_id, c.phone_number_id) is distinct from (a.account_id, p.phone_number_id)`,
}
