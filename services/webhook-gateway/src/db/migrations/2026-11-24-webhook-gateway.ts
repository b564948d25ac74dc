import { partOutcomes } from '@lockstep/contracts'
import { checkOneOf } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

const outcomes = Object.keys(partOutcomes)

export class WebhookGateway extends Migration {
  override up(): void {
    // One table a day of all three. Parts are updated in place: no index holds a column that
    // changes when they are settled, and each page keeps room.
    this.addSql(`create table webhook_bodies (
        id uuid not null,
        app_id uuid not null,
        received_at timestamptz not null,
        raw bytea not null,
        primary key (id, received_at)
      ) partition by range (received_at);
      create table webhook_parts (
        id bigint generated always as identity,
        body_id uuid not null,
        app_id uuid not null,
        received_at timestamptz not null,
        lane text,
        key text,
        field text,
        elements integer not null,
        -- Null: the part is the entire body.
        content bytea,
        -- Null: it is open.
        outcome text ${checkOneOf('outcome', outcomes)},
        reason text,
        outcome_at timestamptz,
        -- Null: its connection is resolved as of its receipt.
        adopted_at timestamptz,
        primary key (id, received_at)
      ) partition by range (received_at);
      -- Parts come in the order of their receipt: this finds those of a body, and costs little.
      create index webhook_parts_received on webhook_parts using brin (received_at)
        with (autosummarize = on);`)

    // Parts that ended without effect, to be found by outcome, or by app and key.
    this.addSql(`create table webhook_part_results (
        part_id bigint not null,
        received_at timestamptz not null,
        app_id uuid not null,
        lane text,
        key text,
        outcome text not null ${checkOneOf('outcome', outcomes)},
        primary key (part_id, received_at)
      ) partition by range (received_at);
      create index webhook_part_results_outcome on webhook_part_results (outcome, part_id);
      create index webhook_part_results_no_connection on webhook_part_results (app_id, key, part_id)
        where outcome = 'no_connection';
      -- Each statement adds what it changed; a job sums the rows up.
      create table webhook_part_counts (
        day date not null,
        outcome text not null ${checkOneOf('outcome', ['open', ...outcomes])},
        field text not null,
        parts bigint not null,
        elements bigint not null
      );
      -- Parts that are open or dead when their day is dropped, each with its bytes.
      create table webhook_parts_unresolved
        (like webhook_parts including constraints, primary key (id));`)
    this.addSql(feedTable)
    // For GetUnhandledReplies; the conditions name no column that is ever changed.
    this.addSql(`create index feed_open_account on feed_open (account_id, created_at)
        where lane = 'webhooks.message' or kind = 'refusal';
      create index feed_dead_account on feed_dead (account_id, created_at)
        where lane = 'webhooks.message' or kind = 'refusal';`)
    this.addSql(dayTableFunctions)
    this.addSql('select create_day_tables(now(), 7)')
  }
}

// The service's role may not create or drop tables; this is all that it needs of that. DDL on a
// day table stops the parent's inserts, so it gives up soon. Everybody locks parts before
// results and bodies.
const dayTableFunctions = `
  create function create_day_tables(moment timestamptz, days_ahead integer) returns integer
    language plpgsql security definer set search_path = webhook_gateway, pg_temp
    set lock_timeout = '500ms'
    as $$
    declare
      first timestamptz;
      suffix text;
      name text;
      created integer := 0;
    begin
      perform pg_advisory_xact_lock(hashtext('webhook_gateway.create_day_tables'));
      for n in -1..days_ahead loop
        first := ((moment at time zone 'UTC')::date + n)::timestamp at time zone 'UTC';
        suffix := to_char(first at time zone 'UTC', 'YYYYMMDD');
        continue when to_regclass('webhook_bodies_' || suffix) is not null;
        foreach name in array array['webhook_parts', 'webhook_part_results', 'webhook_bodies'] loop
          execute format(
            'create table %I partition of %I for values from (%L) to (%L) with (fillfactor = %s)',
            name || '_' || suffix, name, first, first + interval '24 hours',
            case name when 'webhook_parts' then 70 else 100 end);
        end loop;
        created := created + 1;
      end loop;
      return created;
    end $$;

  -- Days of bodies before a day, the oldest first.
  create function days_before(day date) returns setof date
    language sql stable set search_path = webhook_gateway, pg_temp
    as $$
      -- Materialized, or PostgreSQL may ask to_date of the name of every table.
      with found as materialized (
        select right(c.relname, 8) as suffix
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'webhook_bodies'::regclass
      )
      select to_date(suffix, 'YYYYMMDD') from found
      where to_date(suffix, 'YYYYMMDD') < day order by 1
    $$;

  -- Parts of a day that is over are not updated in place any more, and may have this index.
  create function index_unresolved(day date) returns void
    language plpgsql security definer set search_path = webhook_gateway, pg_temp
    set lock_timeout = '500ms'
    as $$
    declare
      part_table text := 'webhook_parts_' || to_char(day, 'YYYYMMDD');
    begin
      if to_regclass(part_table || '_unresolved') is null then
        execute format($sql$create index %I on %I (id)
                               where outcome is null or outcome = 'dead'$sql$,
                       part_table || '_unresolved', part_table);
      end if;
    end $$;

  -- False: something in it is open or dead again. Adopts and replays lock the parents until they
  -- commit, so that they are waited for, and none begins before the day is gone.
  create function drop_day_tables(day date) returns boolean
    language plpgsql security definer set search_path = webhook_gateway, pg_temp
    set lock_timeout = '500ms'
    as $$
    declare
      suffix text := to_char(day, 'YYYYMMDD');
      is_needed boolean;
    begin
      lock table only webhook_parts, only webhook_part_results, only webhook_bodies
        in access exclusive mode;
      if to_regclass('webhook_bodies_' || suffix) is null then return true; end if;
      execute format(
        'select exists (select from webhook_parts_%s where outcome is null or outcome = ''dead'')',
        suffix) into is_needed;
      if is_needed then return false; end if;
      execute format(
        'drop table webhook_parts_%1$s, webhook_part_results_%1$s, webhook_bodies_%1$s', suffix);
      delete from webhook_part_counts c where c.day = drop_day_tables.day;
      return true;
    end $$;`
