import { tenantTable } from '@lockstep/database'
import { Migration } from '@mikro-orm/migrations'

export class Api extends Migration {
  override up(): void {
    this.addSql(`create table idempotency_keys (
        account_id uuid not null,
        key text not null,
        request_hash bytea not null,
        state text not null default 'running' check (state in ('running', 'done', 'unknown')),
        status integer,
        response bytea,
        created_at timestamptz not null,
        primary key (account_id, key),
        check ((state = 'done') = (status is not null and response is not null))
      );
      create index idempotency_keys_age on idempotency_keys (created_at);${tenantTable('api', 'idempotency_keys')}`)

    // Old keys of every tenant, some at a time: rows that a request is looking at are left for the
    // next run.
    this.addSql(`create function drop_idempotency_keys(before timestamptz, most integer) returns integer
        language sql security definer set search_path = api, pg_temp
        as $$
          with old as (select account_id, key from idempotency_keys where created_at < before
                       order by account_id, key limit most for update skip locked),
               dropped as (delete from idempotency_keys k using old
                           where k.account_id = old.account_id and k.key = old.key returning 1)
          select count(*)::integer from dropped
        $$;`)
  }
}
