import { tenantTable } from '@lockstep/database'

/** Entries are added and finished; only their age takes them away. */
const entries = `create table audit_entries (
    id bigint generated always as identity primary key,
    account_id uuid not null references accounts,
    at timestamptz not null,
    action text not null,
    actor_kind text not null check (actor_kind in ('person', 'program', 'operator', 'nobody')),
    actor_id text not null,
    -- E-mail or name of a key, as it was.
    actor_name text not null,
    address text not null,
    request_id text not null,
    target_kind text not null,
    target_id text not null,
    before jsonb,
    after jsonb,
    outcome text not null
  );
  create index audit_entries_newest on audit_entries (account_id, id);
  create index audit_entries_of_action on audit_entries (account_id, action, id);
  create index audit_entries_of_actor on audit_entries (account_id, actor_id, id);
  create index audit_entries_of_target on audit_entries (account_id, target_id, id);
  create index audit_entries_of_time on audit_entries (account_id, at);${tenantTable('accounts', 'audit_entries')}
  revoke update, delete on audit_entries from accounts;
  grant update (outcome, target_id) on audit_entries to accounts;`

const functions = `create function forget_audit_entries(older_than timestamptz, most integer) returns integer
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$
      with first as (select id, at from audit_entries order by id limit most),
           old as (select e.id from first f join audit_entries e on e.id = f.id where f.at < older_than
                   order by e.id for update of e skip locked),
           gone as (delete from audit_entries e using old where e.id = old.id returning 1)
      select count(*)::integer from gone
    $$;`

/** SQL of the audit log. */
export const auditTables: readonly string[] = [entries, functions]
