/** SQL for a tenants' table: the service's role sees only rows of the transaction's accounts. */
export function tenantTable(
  schema: string,
  table: string,
  { column = 'account_id', ownerRole = 'lockstep_owner' } = {},
): string {
  // A hashed list is one probe a row; an index condition would make a planner read all rows of an
  // account.
  const isOurs = `${column} in (select unnest(nullif(current_setting('lockstep.account_ids', true), '')::uuid[]))`
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

/** SQL of a column's check that it holds one of the names of a table of words. */
export function checkOneOf(column: string, names: readonly string[]): string {
  return `check (${column} in (${names.map((name) => `'${name}'`).join(', ')}))`
}
