import { fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'

export class Campaigns extends Migration {
  override up(): void {
    this.addSql(`create table campaigns (
        id uuid primary key,
        account_id uuid not null,
        name text not null,
        connection_id uuid not null,
        template_id uuid not null,
        filter jsonb not null,
        values jsonb not null,
        state text not null check (state in ('draft', 'scheduled', 'preparing', 'sending', 'paused', 'completed', 'cancelled', 'failed')),
        reason text not null default '',
        created_at timestamptz not null,
        started_at timestamptz,
        finished_at timestamptz
      );
      create index campaigns_account on campaigns (account_id, id);${tenantTable('campaigns', 'campaigns')}`)

    this.addSql(`create table recipients (
        id bigint generated always as identity primary key,
        account_id uuid not null,
        campaign_id uuid not null references campaigns,
        contact_id uuid not null,
        run_id uuid not null,
        phone text not null,
        user_id text not null,
        values jsonb not null,
        state text not null,
        reason text not null default '',
        not_before timestamptz,
        attempt_id bigint,
        attempts integer not null default 0,
        -- A person's order to write once more although the last attempt is unknown; the next claim takes it along.
        ordered_at timestamptz,
        unique (campaign_id, contact_id)
      );
      create index recipients_queued on recipients (campaign_id, id) where state = 'queued';
      create index recipients_sending on recipients (campaign_id, id) where state = 'sending';
      create index recipients_state on recipients (campaign_id, state, id);${tenantTable('campaigns', 'recipients')}`)

    // claim_xid lets the audit compare a claim with the commit of an opt-out; fence shows that claims are serial.
    this.addSql(`create table attempts (
        id bigint generated always as identity primary key,
        account_id uuid not null,
        campaign_id uuid not null references campaigns,
        recipient_id bigint not null,
        number integer not null,
        outcome text not null default 'sending' check (outcome in ('sending', 'accepted', 'not_sent', 'rejected', 'unknown', 'skipped')),
        claimed_at timestamptz not null default clock_timestamp(),
        claim_xid xid8 not null default pg_current_xact_id(),
        fence bigint not null,
        ordered_at timestamptz,
        wamid text,
        accepted_at timestamptz,
        sent_at timestamptz,
        delivered_at timestamptz,
        read_at timestamptz,
        failed_at timestamptz,
        code integer,
        words text not null default '',
        unique (recipient_id, number)
      );
      create unique index attempts_wamid on attempts (wamid) where wamid is not null;
      create index attempts_sending on attempts (claimed_at) where outcome = 'sending';${tenantTable('campaigns', 'attempts')}`)

    this.addSql(`create table campaign_statistics (
        campaign_id uuid primary key references campaigns,
        account_id uuid not null,
        recipients integer not null default 0,
        queued integer not null default 0,
        sending integer not null default 0,
        accepted integer not null default 0,
        sent integer not null default 0,
        delivered integer not null default 0,
        read integer not null default 0,
        failed integer not null default 0,
        rejected integer not null default 0,
        skipped integer not null default 0,
        unknown integer not null default 0
      );${tenantTable('campaigns', 'campaign_statistics')}`)

    this.addSql(`create function campaign_owner(campaign uuid) returns table (account_id uuid, connection_id uuid)
        language sql stable security definer set search_path = campaigns, pg_temp
        as $$ select c.account_id, c.connection_id from campaigns c where c.id = campaign $$;
      create function campaigns_with_stale_sending(older_than timestamptz) returns table (account_id uuid, campaign_id uuid)
        language sql stable security definer set search_path = campaigns, pg_temp
        as $$ select distinct a.account_id, a.campaign_id from attempts a where a.outcome = 'sending' and a.claimed_at < older_than $$;`)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}
