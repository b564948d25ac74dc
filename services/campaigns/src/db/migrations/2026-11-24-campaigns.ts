import {
  attemptOutcomes,
  campaignStates,
  campaignWaits,
  recipientStates,
} from '@lockstep/contracts'
import { checkOneOf, fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { Migration } from '@mikro-orm/migrations'
import { statisticsColumns } from '../../outcomes/statistics.ts'

export class Campaigns extends Migration {
  override up(): void {
    this.addSql(`create table campaigns (
        id uuid primary key,
        account_id uuid not null,
        name text not null,
        connection_id uuid not null,
        -- The connection's number, which it never changes, and its apps since the campaign was made: its statuses are told from others by them.
        phone_number_id text not null,
        app_id uuid not null,
        later_app_ids uuid[] not null default '{}',
        template_id uuid not null,
        filter jsonb not null,
        values jsonb not null,
        state text not null ${checkOneOf('state', campaignStates)},
        -- What it waits for while it sends.
        waits_for text not null default '' ${checkOneOf('waits_for', ['', ...campaignWaits])},
        reason text not null default '',
        created_at timestamptz not null,
        started_at timestamptz,
        resumed_at timestamptz,
        -- Of later attempts' answers it is judged whether Meta refuses everybody's message, and how often it did.
        answers_from bigint not null default 0,
        refused_runs smallint not null default 0,
        finished_at timestamptz,
        -- Since when its recipients and attempts are kept no longer, and when the last of them was gone.
        forgotten_at timestamptz,
        emptied_at timestamptz,
        constraint campaigns_waiting check (waits_for = '' or state = 'sending')
      );
      create index campaigns_account on campaigns (account_id, id);
      create index campaigns_kept on campaigns (finished_at) where state in ('completed', 'cancelled') and emptied_at is null;${tenantTable('campaigns', 'campaigns')}`)
    this.addSql(recipients)
    this.addSql(attempts)

    this.addSql(`create table campaign_statistics (
        campaign_id uuid not null references campaigns,
        -- Of the message that the recipients get; 0 where there is one only.
        variant smallint not null default 0,
        account_id uuid not null,
        ${statisticsColumns.map((column) => `${column} integer not null default 0`).join(', ')},
        -- They have changed since those who follow the account were told.
        progress_due boolean not null default false,
        primary key (campaign_id, variant)
      ) with (fillfactor = 50);
      create index campaign_statistics_due on campaign_statistics (campaign_id) where progress_due;${tenantTable('campaigns', 'campaign_statistics')}`)

    // Where the work on a campaign's list stands; gone once the list is complete, or empty again.
    this.addSql(`create table preparations (
        campaign_id uuid primary key references campaigns,
        account_id uuid not null,
        run_id uuid not null,
        -- People of an earlier run may stand in the list.
        leftovers boolean not null,
        after_contact text not null default '',
        listed boolean not null default false,
        after_recipient bigint not null default 0,
        queued integer not null default 0,
        skipped integer not null default 0,
        -- How often in a row the next page could not be read in time.
        read_timeouts integer not null default 0,
        -- What it waits for.
        reason text not null default ''
      ) with (fillfactor = 50);${tenantTable('campaigns', 'preparations')}`)
    this.addSql(functions)
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }
}

/**
 * Written in place (HOT), for no index holds what statuses change. Foreign keys would be checked
 * for each row, and campaigns are never deleted.
 */
const recipients = `create table recipients (
    campaign_id uuid not null,
    id bigint generated always as identity,
    account_id uuid not null,
    contact_id uuid not null,
    run_id uuid not null,
    phone text not null,
    user_id text not null,
    values jsonb not null,
    state text not null ${checkOneOf('state', recipientStates)},
    reason text not null default '',
    -- When it may be claimed; of those in the queue only.
    not_before timestamptz,
    attempt_id bigint,
    attempts integer not null default 0,
    variant smallint not null default 0,
    -- A person's order to write once more although the last attempt is unknown; the next claim takes it along.
    resend_requested_at timestamptz,
    primary key (campaign_id, id),
    unique (campaign_id, contact_id),
    constraint recipients_queue check ((state = 'queued') = (not_before is not null))
  ) with (fillfactor = 80);
  -- Those to be tried again come first, then the others in the order of the list, whose time is '-infinity'.
  create index recipients_queued on recipients (campaign_id, not_before desc, id) where not_before is not null;
  ${tenantTable('campaigns', 'recipients')}`

/**
 * claim_xid lets the audit compare a claim with the commit of an opt-out; fence shows that claims
 * are serial.
 */
const attempts = `create table attempts (
    campaign_id uuid not null,
    id bigint generated always as identity,
    account_id uuid not null,
    recipient_id bigint not null,
    number integer not null,
    outcome text not null default 'sending' ${checkOneOf('outcome', attemptOutcomes)},
    claimed_at timestamptz not null default clock_timestamp(),
    claim_xid xid8 not null default pg_current_xact_id(),
    fence bigint not null,
    resend_requested_at timestamptz,
    wamid text,
    accepted_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    code integer,
    reason text not null default '',
    primary key (campaign_id, id),
    unique (campaign_id, recipient_id, number)
  ) with (fillfactor = 70);
  create unique index attempts_wamid on attempts (wamid) where wamid is not null;
  create index attempts_open on attempts (outcome, campaign_id, claimed_at) where outcome in ('sending', 'unknown');
  ${tenantTable('campaigns', 'attempts')}`

const functions = `
  create function campaign_owners(ids uuid[])
    returns table (campaign_id uuid, account_id uuid, phone_number_id text, app_ids uuid[])
    language sql stable security definer set search_path = campaigns, pg_temp
    as $$ select c.id, c.account_id, c.phone_number_id, c.app_id || c.later_app_ids from campaigns c where c.id = any(ids) $$;

  -- From campaign to campaign by the index: it costs what the campaigns cost, not what is under way.
  create function campaigns_with_stale_sending(older_than timestamptz, at_most integer)
    returns table (account_id uuid, campaign_id uuid)
    language sql stable security definer set search_path = campaigns, pg_temp
    as $$
      with recursive sending as (
        (select a.campaign_id from attempts a where a.outcome = 'sending' order by a.campaign_id limit 1)
        union all
        select (select a.campaign_id from attempts a where a.outcome = 'sending' and a.campaign_id > s.campaign_id
                order by a.campaign_id limit 1)
        from sending s where s.campaign_id is not null
      )
      select c.account_id, c.id from sending s join campaigns c on c.id = s.campaign_id
      where exists (select from attempts a where a.outcome = 'sending' and a.campaign_id = s.campaign_id and a.claimed_at < older_than)
      limit at_most
    $$;

  create function campaigns_with_progress(after uuid, at_most integer) returns table (account_id uuid, campaign_id uuid)
    language sql stable security definer set search_path = campaigns, pg_temp
    as $$
      select distinct s.account_id, s.campaign_id from campaign_statistics s
      where s.progress_due and s.campaign_id > after order by s.campaign_id limit at_most
    $$;

  create function campaigns_to_forget(ended_before timestamptz, at_most integer) returns table (account_id uuid, campaign_id uuid)
    language sql stable security definer set search_path = campaigns, pg_temp
    as $$
      select c.account_id, c.id from campaigns c
      where c.state in ('completed', 'cancelled') and c.emptied_at is null and c.finished_at < ended_before
      order by c.finished_at limit at_most
    $$;

  -- Plans that were made while the tables were small would stay for as long as their connections.
  -- A list that is less than a tenth of what they hold changes little of what is known of them.
  create function analyze_lists(listed integer) returns void
    language plpgsql security definer set search_path = campaigns, pg_temp
    as $$
      begin
        -- Another one at it is as good.
        if 10 * listed >= (select reltuples from pg_class where oid = 'recipients'::regclass)
          and pg_try_advisory_xact_lock(hashtext('campaigns.analyze_lists'))
        then analyze recipients, attempts; end if;
      end $$;`
