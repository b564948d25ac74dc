/**
 * SQL for a table that belongs to tenants: the service's role sees only rows of the accounts that the transaction has
 * set, also when it forgets to ask; the owner (migrations, SECURITY DEFINER functions) sees all.
 */
export function tenantTable(schema: string, table: string, { column = 'account_id', ownerRole = 'lockstep_owner' } = {}): string {
  // The inner select is read once a statement, not once a row; the outer cast makes it an array and no subquery.
  const isOurs = `${column} = any ((select nullif(current_setting('lockstep.account_ids', true), '')::uuid[])::uuid[])`
  return `
    alter table ${table} enable row level security;
    alter table ${table} force row level security;
    create policy tenant on ${table} to ${schema} using (${isOurs}) with check (${isOurs});
    create policy owner on ${table} to ${ownerRole} using (true) with check (true);`
}

/** SQL of a service's open feed: what waits for a lane's worker. It has no tenant, for it is plumbing. */
export const feedTable = `
  create table feed_open (
    id bigint generated always as identity primary key,
    subscriber text not null,
    key text not null,
    kind text not null default '',
    account_id uuid,
    row_id text not null default '',
    body bytea,
    bytes integer not null default 0,
    attempts integer not null default 0,
    not_before timestamptz,
    dead_reason text,
    dead_at timestamptz,
    created_at timestamptz not null default now()
  );
  create index feed_open_due on feed_open (subscriber, key, id) where dead_reason is null;
  create index feed_open_dead on feed_open (subscriber, id) where dead_reason is not null;`

/** SQL of a service's lock fences. */
export const fenceTable = `
  create table lock_fences (
    key text primary key,
    token bigint not null
  );`
