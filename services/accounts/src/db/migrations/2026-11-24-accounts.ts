import { fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { sealedCountsFunction } from '@lockstep/service'
import { Migration } from '@mikro-orm/migrations'
import { auditTables } from '../audit-tables.ts'
import { peopleTables } from '../people-tables.ts'
import { sealedTables } from '../sealed.ts'
import { signUpTables } from '../sign-up-tables.ts'

export class Accounts extends Migration {
  override up(): void {
    this.addTenants()
    this.addConnections()
    this.addEvents()
    for (const statements of [...peopleTables, ...auditTables, ...signUpTables])
      this.addSql(statements)
    this.addFunctions()
    this.addSealedCounts()
    this.addTokenFunctions()
    this.addEventFunctions()
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }

  private addTenants(): void {
    this.addSql(`create table accounts (id uuid primary key, name text not null, created_at timestamptz not null);
      ${tenantTable('accounts', 'accounts', { column: 'id' })}`)

    this.addSql(`create table api_keys (
        id uuid primary key,
        account_id uuid not null references accounts,
        name text not null,
        -- SHA-256 of the key's text.
        hash bytea not null unique,
        prefix text not null,
        rights text[] not null check (cardinality(rights) > 0),
        created_at timestamptz not null,
        expires_at timestamptz,
        withdrawn_at timestamptz,
        last_used_at timestamptz
      );
      create index api_keys_page on api_keys (account_id, id);${tenantTable('accounts', 'api_keys')}`)

    this.addSql(`create table apps (
        id uuid primary key,
        account_id uuid not null references accounts,
        name text not null,
        meta_app_id text not null,
        sealed_secret bytea not null,
        sealed_previous_secret bytea,
        sealed_verify_token bytea not null,
        created_at timestamptz not null,
        previous_secret_until timestamptz,
        -- When Meta's handshake with the verify token succeeded.
        webhook_verified_at timestamptz
      );
      create index apps_page on apps (account_id, id);${tenantTable('accounts', 'apps')}`)
  }

  private addConnections(): void {
    this.addSql(`create table connections (
        id uuid primary key,
        account_id uuid not null references accounts,
        name text not null,
        phone_number_id text not null,
        waba_id text not null,
        app_id uuid not null references apps,
        display_phone_number text not null,
        verified_name text not null,
        sealed_token bytea not null,
        token_expires_at timestamptz,
        data_access_expires_at timestamptz,
        token_scopes jsonb not null default '[]',
        -- Why Meta takes it no longer; empty while it does.
        token_problem text not null default '',
        token_checked_at timestamptz,
        token_check_due_at timestamptz not null default now(),
        -- What was told of the token last, so that it is told once.
        token_notice text not null default '',
        per_minute integer not null check (per_minute > 0),
        per_second integer not null check (per_second > 0),
        max_per_second integer not null,
        quality text not null,
        messaging_limit text not null default '',
        health_issues jsonb not null default '{}',
        -- Meta's time of the last update in ms, by fact.
        fact_times jsonb not null default '{}',
        -- App, WABA and these times are those of the number's newest interval.
        connected_at timestamptz not null,
        disconnected_at timestamptz,
        -- A number is one connection of its account, however often it is connected again.
        unique (account_id, phone_number_id)
      );
      create index connections_page on connections (account_id, id);
      create index connections_token_check on connections (token_check_due_at) where disconnected_at is null;
      create index connections_token_end on connections (least(token_expires_at, data_access_expires_at)) where disconnected_at is null;
      create index connections_token_problem on connections (id) where disconnected_at is null and token_problem <> '';
      -- Holds all that the gateway asks of an app, so that thousands of numbers are read without their rows.
      create index connections_app on connections (app_id, phone_number_id) include (waba_id, disconnected_at);${tenantTable('accounts', 'connections')}`)

    this.addSql(`create table connection_intervals (
        id bigint generated always as identity primary key,
        connection_id uuid not null references connections,
        account_id uuid not null references accounts,
        phone_number_id text not null,
        app_id uuid not null references apps,
        waba_id text not null,
        connected_at timestamptz not null,
        disconnected_at timestamptz
      );
      -- A number belongs to one account at a time, whoever asks.
      create unique index connection_intervals_live_number on connection_intervals (phone_number_id) where disconnected_at is null;
      create index connection_intervals_number on connection_intervals (phone_number_id);
      create index connection_intervals_waba on connection_intervals (waba_id);
      create index connection_intervals_former on connection_intervals (app_id, disconnected_at) where disconnected_at is not null;${tenantTable('accounts', 'connection_intervals')}`)
  }

  private addEvents(): void {
    // The newest that Meta said of each type of restriction: what is over stays, for it says which updates are old.
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
        summary text not null,
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
  }

  private addFunctions(): void {
    // What the platform itself must know before it knows the tenant. Owned by the owner, who sees every tenant's rows.
    this.addSql(`create function use_api_key(key_hash bytea, at timestamptz)
        returns table (account_id uuid, key_id uuid, rights text[])
        language sql volatile security definer set search_path = accounts, pg_temp
        as $$ with used as (
                update api_keys k set last_used_at = at
                where k.hash = key_hash and (k.last_used_at is null or k.last_used_at < at - interval '1 minute'))
              select k.account_id, k.id, k.rights from api_keys k
              where k.hash = key_hash and k.withdrawn_at is null and (k.expires_at is null or k.expires_at > at) $$;
      -- One scan for both lists of what it has, and JSON, which is read faster than arrays.
      create function webhook_app(app uuid)
        returns table (id uuid, account_id uuid, sealed_secret bytea, sealed_previous_secret bytea, previous_secret_until timestamptz,
                       sealed_verify_token bytea, phone_number_ids json, waba_ids json, former_phone_number_ids json)
        language sql stable security definer set search_path = accounts, pg_temp
        as $$ select a.id, a.account_id, a.sealed_secret, a.sealed_previous_secret, a.previous_secret_until, a.sealed_verify_token,
                     c.phone_number_ids, c.waba_ids, i.former_phone_number_ids
              from apps a cross join lateral (
                select coalesce(json_agg(c.phone_number_id) filter (where c.disconnected_at is null), '[]') as phone_number_ids,
                       coalesce(json_agg(distinct c.waba_id) filter (where c.disconnected_at is null), '[]') as waba_ids
                from connections c where c.app_id = a.id) c
              cross join lateral (
                select coalesce(json_agg(distinct i.phone_number_id), '[]') as former_phone_number_ids
                from connection_intervals i where i.app_id = a.id and i.disconnected_at > now() - interval '30 days') i
              where a.id = app $$;
      create function connections_between(number_ids text[], waba_ids text[], since timestamptz, until timestamptz)
        returns setof connection_intervals
        language sql stable security definer set search_path = accounts, pg_temp
        as $$ select i.* from connection_intervals i
              where (i.phone_number_id = any(number_ids) or i.waba_id = any(waba_ids))
                and i.connected_at <= until and (i.disconnected_at is null or i.disconnected_at > since)
              order by i.phone_number_id, i.connected_at, i.id $$;`)
    this.addSql(`create function sealed_rows(sealed_table text, after uuid, most integer) returns table (id uuid, account_id uuid)
        language plpgsql stable security definer set search_path = accounts, pg_temp
        as $$
        begin
          if sealed_table = 'apps' then
            return query select a.id, a.account_id from apps a where a.id > after order by a.id limit most;
          elsif sealed_table = 'mails' then
            return query select m.id, m.account_id from mails m where m.id > after order by m.id limit most;
          elsif sealed_table = 'second_factors' then
            return query select f.id, f.account_id from second_factors f where f.id > after order by f.id limit most;
          elsif sealed_table = 'connections' then
            return query select c.id, c.account_id from connections c where c.id > after order by c.id limit most;
          else
            return query select s.id, s.account_id from sign_ups s where s.id > after order by s.id limit most;
          end if;
        end $$;`)
  }

  private addSealedCounts(): void {
    this.addSql(sealedCountsFunction('accounts', sealedTables))
  }

  private addTokenFunctions(): void {
    // Puts the checks that are due off until they are done, so that no other process takes them and a crash only delays them.
    this.addSql(`create function take_token_checks(at timestamptz, again_at timestamptz, most integer)
        returns table (id uuid, account_id uuid, app_id uuid, sealed_token bytea, sealed_secret bytea, meta_app_id text)
        language sql volatile security definer set search_path = accounts, pg_temp
        as $$ with due as (
                select c.id from connections c where c.disconnected_at is null and c.token_check_due_at <= at
                order by c.token_check_due_at limit most for update skip locked),
              taken as (
                update connections c set token_check_due_at = again_at from due where c.id = due.id
                returning c.id, c.account_id, c.app_id, c.sealed_token)
              select t.id, t.account_id, t.app_id, t.sealed_token, a.sealed_secret, a.meta_app_id
              from taken t join apps a on a.id = t.app_id order by t.id $$;
      create function token_figures(out soonest_end timestamptz, out invalid integer)
        language sql stable security definer set search_path = accounts, pg_temp
        as $$ select (select min(least(token_expires_at, data_access_expires_at)) from connections where disconnected_at is null),
                     (select count(*)::integer from connections where disconnected_at is null and token_problem <> '') $$;`)
  }

  private addEventFunctions(): void {
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
