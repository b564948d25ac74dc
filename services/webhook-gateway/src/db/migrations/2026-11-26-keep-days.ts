import { Migration } from '@mikro-orm/migrations'

export class KeepDays extends Migration {
  override up(): void {
    // Whether a day is needed is asked once more with the parents locked: a claim or replay that is under way is waited for then,
    // and none begins before the day is gone. Before that it would be seen only after its part had been dropped. That answer is
    // in the feed alone, so that nobody waits for a scan of the day: a part that becomes open gets its entry in the same
    // transaction, and keeps it when it dies.
    this.addSql(`create function day_has_entries(day date) returns boolean
        language sql set search_path = webhook_gateway, pg_temp
        as $$
          select exists (select from feed_open where created_at >= day::timestamp at time zone 'UTC'
                                                 and created_at < day::timestamp at time zone 'UTC' + interval '24 hours')
        $$;
      create or replace function keep_days(moment timestamptz, ahead integer, kept integer) returns integer
        language plpgsql security definer set search_path = webhook_gateway, pg_temp set lock_timeout = '500ms'
        as $$
        declare
          today date := (moment at time zone 'UTC')::date;
          first timestamptz;
          suffix text;
          day date;
          needed boolean;
          dropped integer := 0;
        begin
          perform pg_advisory_xact_lock(hashtext('webhook_gateway.keep_days'));

          -- Everybody locks parts before bodies.
          for n in -1..ahead loop
            suffix := to_char(today + n, 'YYYYMMDD');
            continue when to_regclass('webhook_bodies_' || suffix) is not null;
            first := (today + n)::timestamp at time zone 'UTC';
            execute format('create table webhook_parts_%s partition of webhook_parts for values from (%L) to (%L)',
                           suffix, first, first + interval '24 hours');
            execute format('create table webhook_bodies_%s partition of webhook_bodies for values from (%L) to (%L)',
                           suffix, first, first + interval '24 hours');
          end loop;

          -- What a name means is asked of the names found only: in the query PostgreSQL may ask it of every table first.
          for suffix in select right(c.relname, 8) from pg_inherits i join pg_class c on c.oid = i.inhrelid
                        where i.inhparent = 'webhook_bodies'::regclass order by 1 loop
            day := to_date(suffix, 'YYYYMMDD');
            exit when day >= today - kept;
            continue when day_has_entries(day);
            execute format('select exists (select from webhook_parts_%s where outcome is null or outcome = ''dead'')', suffix) into needed;
            continue when needed;
            -- Claims and replays reach a day through its parents, and hold them until they have committed.
            lock table only webhook_parts, only webhook_bodies in access exclusive mode;
            continue when day_has_entries(day);
            execute format('drop table webhook_parts_%s, webhook_bodies_%s', suffix, suffix);
            dropped := dropped + 1;
          end loop;
          return dropped;
        end $$;`)
  }
}
