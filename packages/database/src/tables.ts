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

/** SQL of a service's lock fences. */
export const fenceTable = `
  create table lock_fences (
    key text primary key,
    token bigint not null
  );`
