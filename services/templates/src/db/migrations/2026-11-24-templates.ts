import { syncStates } from '@lockstep/contracts'
import { checkOneOf, fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

export class Templates extends Migration {
  override up(): void {
    this.addSql(`create table templates (
        id uuid primary key,
        account_id uuid not null,
        waba_id text not null,
        meta_id text not null,
        name text not null,
        language text not null,
        category text not null,
        status text not null,
        components jsonb not null,
        parameter_format text not null,
        quality text not null,
        rejected_reason text not null,
        status_reason text not null default '',
        next_category text not null default '',
        next_category_at timestamptz,
        last_seen_at timestamptz not null,
        synced_at timestamptz not null,
        status_event_at timestamptz,
        quality_event_at timestamptz,
        category_event_at timestamptz,
        announcement_event_at timestamptz,
        components_event_at timestamptz,
        -- Accounts that share a WABA have rows of their own.
        unique (account_id, waba_id, name, language)
      );
      create index templates_page on templates (account_id, id);
      create index templates_meta_id on templates (account_id, waba_id, meta_id);${tenantTable('templates', 'templates')}`)

    this.addSql(`create table sync_runs (
        id uuid primary key,
        account_id uuid not null,
        connection_id uuid not null,
        waba_id text not null,
        state text not null ${checkOneOf('state', syncStates)},
        seen integer not null default 0,
        removed integer not null default 0,
        failure text not null default '',
        created_at timestamptz not null,
        started_at timestamptz not null,
        finished_at timestamptz
      );
      create unique index sync_runs_active on sync_runs (connection_id) where state in ('queued', 'running');
      create index sync_runs_ended on sync_runs (finished_at) where finished_at is not null;
      ${tenantTable('templates', 'sync_runs')}`)
    // What is gone is not met again, so the index is the cursor.
    this.addSql(`create function forget_sync_runs(before timestamptz, most integer) returns integer
        language sql security definer set search_path = templates, pg_temp
        as $$
          with old as (select id from sync_runs where finished_at < before order by finished_at limit most for update skip locked),
               gone as (delete from sync_runs r using old where r.id = old.id returning 1)
          select count(*)::integer from gone
        $$;`)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}
