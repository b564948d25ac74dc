import { fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

export class Accounts extends Migration {
  override up(): void {
    this.addSql(`create table accounts (id uuid primary key, name text not null, created_at timestamptz not null);
      ${tenantTable('accounts', 'accounts', { column: 'id' })}`)

    this.addSql(`create table api_keys (
        id uuid primary key,
        account_id uuid not null references accounts,
        name text not null,
        hash bytea not null unique,
        created_at timestamptz not null default now()
      );${tenantTable('accounts', 'api_keys')}`)

    this.addSql(`create table apps (
        id uuid primary key,
        account_id uuid not null references accounts,
        name text not null,
        meta_app_id text not null,
        sealed_secret bytea not null,
        sealed_previous_secret bytea,
        sealed_verify_token bytea not null,
        created_at timestamptz not null,
        previous_secret_until timestamptz
      );${tenantTable('accounts', 'apps')}`)

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
        per_minute integer not null check (per_minute > 0),
        per_second integer not null check (per_second > 0),
        max_per_second integer not null,
        quality text not null,
        -- App, WABA and these times are those of the number's newest interval.
        connected_at timestamptz not null,
        disconnected_at timestamptz,
        -- A number is one connection of its account, however often it is connected again.
        unique (account_id, phone_number_id)
      );
      create index connections_page on connections (account_id, id);
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

    // What the platform itself must know before it knows the tenant. Owned by the owner, who sees every tenant's rows.
    this.addSql(`create function account_of_key(key_hash bytea) returns table (account_id uuid, key_id uuid)
        language sql stable security definer set search_path = accounts, pg_temp
        as $$ select k.account_id, k.id from api_keys k where k.hash = key_hash $$;
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
          else
            return query select c.id, c.account_id from connections c where c.id > after order by c.id limit most;
          end if;
        end $$;`)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}
