import { tenantTable } from '@lockstep/database'

const signUps = `create table sign_ups (
    id uuid primary key,
    account_id uuid not null references accounts,
    app_id uuid not null references apps,
    -- SHA-256 of the code, which is good once at Meta.
    code_hash bytea not null,
    -- What the code was exchanged for, until the number is connected.
    sealed_token bytea,
    connection_id uuid references connections,
    -- A request that works on it; it is over by then, or was lost.
    busy_until timestamptz not null,
    created_at timestamptz not null,
    unique (account_id, app_id, code_hash)
  );
  create index sign_ups_oldest on sign_ups (created_at);${tenantTable('accounts', 'sign_ups')}`

const functions = `create function forget_sign_ups(before timestamptz, most integer) returns integer
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ with old as (select id from sign_ups where created_at < before order by created_at limit most for update skip locked),
               gone as (delete from sign_ups s using old where s.id = old.id returning 1)
          select count(*)::integer from gone $$;`

/** SQL of numbers that are connected by Embedded Signup. */
export const signUpTables: readonly string[] = [signUps, functions]
