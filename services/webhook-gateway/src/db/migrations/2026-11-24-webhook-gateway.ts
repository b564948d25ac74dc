import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

export class WebhookGateway extends Migration {
  override up(): void {
    // One partition a day of both, so that a day goes without a trace of dead rows.
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
        -- Null: it waits in its lane.
        outcome text,
        reason text,
        outcome_at timestamptz,
        primary key (id, received_at)
      ) partition by range (received_at);
      create index webhook_parts_without_effect on webhook_parts (outcome, id) where outcome <> 'done';`)
    this.addSql(feedTable)

    // The service's role may not create or drop tables; this is all that it needs of that. DDL on a partition stops the
    // parent's inserts, so it gives up quickly and comes again.
    this.addSql(`create function keep_days(moment timestamptz, ahead integer, kept integer) returns integer
        language plpgsql security definer set search_path = webhook_gateway, pg_temp set lock_timeout = '500ms'
        as $$
        declare
          today date := (moment at time zone 'UTC')::date;
          first timestamptz;
          suffix text;
          needed boolean;
          dropped integer := 0;
        begin
          perform pg_advisory_xact_lock(hashtext('webhook_gateway.keep_days'));

          for n in -1..ahead loop
            suffix := to_char(today + n, 'YYYYMMDD');
            continue when to_regclass('webhook_bodies_' || suffix) is not null;
            first := (today + n)::timestamp at time zone 'UTC';
            execute format('create table webhook_bodies_%s partition of webhook_bodies for values from (%L) to (%L)',
                           suffix, first, first + interval '24 hours');
            execute format('create table webhook_parts_%s partition of webhook_parts for values from (%L) to (%L)',
                           suffix, first, first + interval '24 hours');
          end loop;

          -- What a name means is asked of the names found only: in the query PostgreSQL may ask it of every table first.
          for suffix in select right(c.relname, 8) from pg_inherits i join pg_class c on c.oid = i.inhrelid
                        where i.inhparent = 'webhook_bodies'::regclass order by 1 loop
            exit when to_date(suffix, 'YYYYMMDD') >= today - kept;
            first := to_date(suffix, 'YYYYMMDD')::timestamp at time zone 'UTC';
            continue when exists (select from feed_open where created_at >= first and created_at < first + interval '24 hours');
            execute format('select exists (select from webhook_parts_%s where outcome is null or outcome = ''dead'')', suffix) into needed;
            continue when needed;
            execute format('drop table webhook_bodies_%s, webhook_parts_%s', suffix, suffix);
            dropped := dropped + 1;
          end loop;
          return dropped;
        end $$;`)
    this.addSql('select keep_days(now(), 7, 7)')
  }
}
