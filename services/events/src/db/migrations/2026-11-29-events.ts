import { deliveryStates, eventTopics } from '@lockstep/contracts'
import { checkOneOf, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { sealedCountsFunction } from '@lockstep/service'
import { Migration } from '@mikro-orm/migrations'
import { sealedTables } from '../sealed.ts'

export class Events extends Migration {
  override up(): void {
    // An entry's time is one of its columns for good, so the same entry falls into the same day,
    // and the unique key of a day is one of all.
    this.addSql(`create table events (
        account_id uuid not null,
        topic text not null ${checkOneOf('topic', Object.keys(eventTopics))},
        -- Counts up within the account, in the order of commits.
        id bigint not null,
        occurred_at timestamptz not null,
        kind text not null,
        subject_id text not null,
        body jsonb not null,
        -- The entry of a feed that told it, and its place there.
        source text not null,
        entry_id bigint not null,
        place integer not null,
        primary key (account_id, topic, id, occurred_at),
        unique (source, entry_id, place, occurred_at)
      ) partition by range (occurred_at);${tenantTable('events', 'events')}
      create table event_positions (
        account_id uuid primary key,
        last_id bigint not null default 0,
        -- Up to here events are gone, or may be.
        dropped_id bigint not null default 0
      ) with (fillfactor = 50);${tenantTable('events', 'event_positions')}`)
    this.addSql(endpoints)
    this.addSql(deliveries)
    this.addSql(feedTable)
    this.addSql(dayTableFunctions)
    this.addSql(`select create_day_tables(now() - interval '1 day', now() + interval '7 days')`)
  }
}

const endpoints = `create table webhook_endpoints (
    id uuid primary key,
    account_id uuid not null,
    url text not null,
    description text not null,
    topics text[] not null,
    sealed_secret bytea not null,
    -- The secret before, with which posts are signed, too, until then.
    sealed_previous bytea,
    previous_until timestamptz,
    enabled boolean not null default true,
    disabled_reason text not null default '',
    -- Since when no post was accepted.
    failing_since timestamptz,
    -- Events after this one have a delivery each, as long as it is enabled.
    follows_after bigint not null,
    created_at timestamptz not null
  );
  create index webhook_endpoints_account on webhook_endpoints (account_id, id);
  ${tenantTable('events', 'webhook_endpoints')}
  -- There is one such table.
  create function sealed_rows(sealed_table text, after uuid, most integer) returns table (id uuid, account_id uuid)
    language sql stable security definer set search_path = events, pg_temp
    as $$ select e.id, e.account_id from webhook_endpoints e where e.id > after order by e.id limit most $$;
  ${sealedCountsFunction('events', sealedTables)}`

/** One for each event and endpoint; the first that is pending of a subject has a time. */
const deliveries = `create table webhook_deliveries (
    endpoint_id uuid not null,
    event_id bigint not null,
    account_id uuid not null,
    topic text not null,
    kind text not null,
    subject_id text not null,
    occurred_at timestamptz not null,
    state text not null default 'pending' ${checkOneOf('state', deliveryStates)},
    attempts integer not null default 0,
    next_at timestamptz,
    status integer not null default 0,
    error text not null default '',
    attempted_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (endpoint_id, event_id),
    check (next_at is null or state = 'pending')
  );
  create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at) where next_at is not null;
  create index webhook_deliveries_timed on webhook_deliveries (endpoint_id, subject_id) where next_at is not null;
  create index webhook_deliveries_state on webhook_deliveries (endpoint_id, state, event_id);
  create index webhook_deliveries_pending on webhook_deliveries (endpoint_id, subject_id, event_id) where state = 'pending';
  create index webhook_deliveries_old on webhook_deliveries (created_at);
  ${tenantTable('events', 'webhook_deliveries')}
  create function forget_deliveries(before timestamptz, most integer) returns integer
    language sql security definer set search_path = events, pg_temp
    as $$
      with old as (select endpoint_id, event_id from webhook_deliveries where created_at < before
                   order by created_at limit most for update skip locked),
           gone as (delete from webhook_deliveries d using old
                    where d.endpoint_id = old.endpoint_id and d.event_id = old.event_id returning 1)
      select count(*)::integer from gone
    $$;`

// The service's role may not create or drop tables. A day table has no policy: it is read and
// written through its parent only.
const dayTableFunctions = `
  create function create_day_tables(first timestamptz, last timestamptz) returns integer
    language plpgsql security definer set search_path = events, pg_temp
    set lock_timeout = '500ms'
    as $$
    declare
      day date;
      name text;
      created integer := 0;
    begin
      perform pg_advisory_xact_lock(hashtext('events.create_day_tables'));
      for day in select generate_series(date_trunc('day', first at time zone 'UTC'),
                                        date_trunc('day', last at time zone 'UTC'), '1 day') loop
        name := 'events_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass(name) is not null;
        execute format('create table %I partition of events for values from (%L) to (%L)', name,
          day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        created := created + 1;
      end loop;
      return created;
    end $$;

  create function drop_days_before(moment timestamptz) returns setof text
    language plpgsql security definer set search_path = events, pg_temp
    set lock_timeout = '500ms'
    as $$
    declare
      day text;
    begin
      for day in
        select right(c.relname, 8) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'events'::regclass
          and right(c.relname, 8) < to_char(moment at time zone 'UTC', 'YYYYMMDD')
        order by 1
      loop
        execute format($sql$
          with gone as materialized (select account_id, max(id) as id from %I group by account_id),
               locked as (select p.account_id from event_positions p where p.account_id in (select account_id from gone)
                          order by p.account_id for update)
          update event_positions p set dropped_id = greatest(p.dropped_id, gone.id)
          from locked join gone using (account_id) where p.account_id = locked.account_id$sql$,
          'events_' || day);
        execute format('drop table %I', 'events_' || day);
        return next day;
      end loop;
    end $$;`
