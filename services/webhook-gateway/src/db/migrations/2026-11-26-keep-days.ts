import { Migration } from '@mikro-orm/migrations'

/**
 * Reads a partition's day only from names of partitions. Before, the condition stood in the query, where PostgreSQL may ask it
 * of every table first: once its catalog was analyzed, the first other name stopped the job.
 */
export class KeepDays extends Migration {
  override up(): void {
    this.addSql(`create or replace function keep_days(moment timestamptz, ahead integer, kept integer) returns integer
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
  }
}
