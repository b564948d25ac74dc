import { tenantTable } from '@lockstep/database'
import { Migration } from '@mikro-orm/migrations'

export class AccountsNews extends Migration {
  override up(): void {
    this.addSql(`alter table connections
        add column messaging_limit text not null default '',
        add column holds jsonb not null default '{}',
        add column news_at jsonb not null default '{}';`)

    // The newest that Meta said of each type of restriction: what is over stays, for it says what is old news.
    this.addSql(`create table restrictions (
        connection_id uuid not null references connections,
        account_id uuid not null references accounts,
        waba_id text not null,
        type text not null,
        violation text not null,
        remediation text not null,
        -- When it ends by itself; null when it doesn't.
        ends_at timestamptz,
        -- When Meta took it back.
        lifted_at timestamptz,
        -- By Meta's clock.
        event_at timestamptz not null,
        noted_at timestamptz not null,
        primary key (connection_id, waba_id, type)
      );${tenantTable('accounts', 'restrictions')}`)

    this.addSql(`create table account_events (
        id bigint generated always as identity primary key,
        account_id uuid not null references accounts,
        waba_id text not null,
        field text not null,
        event text not null,
        words text not null,
        value jsonb not null,
        value_hash bytea not null,
        -- By Meta's clock; null when Meta did not say.
        occurred_at timestamptz,
        received_at timestamptz not null
      );
      -- Meta sends everything at least once: the same value of the same second is the same event.
      create unique index account_events_once
        on account_events (account_id, waba_id, field, value_hash, coalesce(occurred_at, 'epoch'::timestamptz));
      create index account_events_newest on account_events (account_id, id);
      create index account_events_of_waba on account_events (account_id, waba_id, id);
      create index account_events_of_field on account_events (account_id, field, id);${tenantTable('accounts', 'account_events')}`)

    // Events are stored about in the order in which they come, so the oldest are first by id: those that are gone are not met again.
    this.addSql(`create function forget_account_events(before timestamptz, most integer) returns integer
        language sql security definer set search_path = accounts, pg_temp
        as $$
          with first as (select id, received_at from account_events order by id limit most),
               old as (select e.id from first f join account_events e on e.id = f.id where f.received_at < before
                       order by e.id for update of e skip locked),
               gone as (delete from account_events e using old where e.id = old.id returning 1)
          select count(*)::integer from gone
        $$;`)

    this.addSql(`create function account_of_app(app uuid) returns table (account_id uuid)
        language sql stable security definer set search_path = accounts, pg_temp
        as $$ select a.account_id from apps a where a.id = app $$;`)
  }
}
