import { consentKinds, consentVias, contactSources, importStates } from '@lockstep/contracts'
import { checkOneOf, fenceTable, tenantTable } from '@lockstep/database'
import { feedTable } from '@lockstep/feeds'
import { sealedCountsFunction } from '@lockstep/service'
import { Migration } from '@mikro-orm/migrations'
import { identityKinds, namespaces } from '../../identities/identity.ts'
import { sealedTables } from '../sealed.ts'
import { attributeTables } from './attributes.ts'
import { forgetConsents, forgetImports } from './old-rows.ts'

export class Contacts extends Migration {
  override up(): void {
    this.#addContacts()
    this.#addConsents()
    this.#addForgotten()
    this.addSql(attributeTables)
    this.#addImports()
    this.#addFunctions()
    this.addSql(feedTable)
    this.addSql(fenceTable)
  }

  #addContacts(): void {
    // The _at columns: when Meta named the person so; an older element that comes late changes nothing.
    // phone_at is the time of a change of number, null for the first phone.
    this.addSql(`create table contacts (
        id uuid primary key,
        account_id uuid not null,
        -- As the account calls the person; until then as they call themselves.
        name text not null default '',
        profile_name text not null default '',
        profile_name_at timestamptz,
        username text not null default '',
        username_at timestamptz,
        phone text not null default '',
        phone_at timestamptz,
        wa_id text not null default '',
        wa_id_at timestamptz,
        user_id text not null default '',
        user_id_at timestamptz,
        email text not null default '',
        -- As Meta names languages of templates: pt_BR.
        language text not null default '',
        -- Of the IANA: Europe/Berlin.
        time_zone text not null default '',
        attributes jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
        opted_out boolean not null default false,
        blocked boolean not null default false,
        source text not null ${checkOneOf('source', contactSources)},
        last_inbound_at timestamptz,
        last_import_id uuid,
        merged_into uuid references contacts,
        -- In no list since then; whoever writes, is imported or is created again comes back.
        archived_at timestamptz,
        -- Nothing is left but the id, which rows of other services name.
        forgotten_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        constraint contacts_forgotten check (forgotten_at is null or archived_at is not null)
      ) with (fillfactor = 85);
      create index contacts_page on contacts (account_id, id)
        where merged_into is null and archived_at is null;
      -- What filters find; last_inbound_at has none, for each message would write it.
      create index contacts_name on contacts (account_id, name, id)
        where merged_into is null and archived_at is null and name <> '';
      create index contacts_email on contacts (account_id, email, id)
        where merged_into is null and archived_at is null and email <> '';
      create index contacts_language on contacts (account_id, language, id)
        where merged_into is null and archived_at is null and language <> '';
      create index contacts_source on contacts (account_id, source, id)
        where merged_into is null and archived_at is null;
      create index contacts_created on contacts (account_id, created_at, id)
        where merged_into is null and archived_at is null;
      create index contacts_opted_out on contacts (account_id, id)
        where opted_out and merged_into is null and archived_at is null;
      create index contacts_blocked on contacts (account_id, id)
        where blocked and merged_into is null and archived_at is null;
      create index contacts_archived on contacts (account_id, id)
        where archived_at is not null and forgotten_at is null;
      create index contacts_merged on contacts (merged_into) where merged_into is not null;
      ${tenantTable('contacts', 'contacts')}`)

    // Equality and order of uuid and text are leakproof: lists use this key under row-level security.
    this.addSql(`create table contact_tags (
        account_id uuid not null,
        tag text not null,
        contact_id uuid not null,
        primary key (account_id, tag, contact_id)
      );
      create index contact_tags_contact on contact_tags (contact_id);
      ${tenantTable('contacts', 'contact_tags')}`)

    // No two contacts for one person. Rows come before their contact, hence the deferred reference.
    this.addSql(`create table identities (
        account_id uuid not null,
        namespace text not null ${checkOneOf('namespace', namespaces)},
        kind text not null ${checkOneOf('kind', identityKinds)},
        match_key text not null,
        contact_id uuid not null references contacts deferrable initially deferred,
        created_at timestamptz not null default now(),
        primary key (account_id, namespace, match_key)
      );
      create index identities_contact on identities (contact_id);
      ${tenantTable('contacts', 'identities')}`)
  }

  #addConsents(): void {
    // An account without a row has the strict rules.
    this.addSql(`create table consent_rules (
        account_id uuid primary key,
        utility_after_stop boolean not null
      );
      ${tenantTable('contacts', 'consent_rules')}`)

    // Keyed to identities, without a reference to contacts, so that consents outlive deletion and merge.
    this.addSql(`create table consents (
        id bigint generated always as identity primary key,
        account_id uuid not null,
        namespace text not null,
        match_key text not null,
        contact_id uuid not null,
        kind text not null ${checkOneOf('kind', consentKinds)},
        via text not null ${checkOneOf('via', consentVias)},
        evidence text not null,
        said_at timestamptz not null,
        recorded_at timestamptz not null default now(),
        unique (account_id, namespace, match_key, kind, via, said_at, evidence)
      );
      -- Whether anything that was said stands on an import.
      create index consents_of_import on consents (evidence) where via = 'import';
      ${tenantTable('contacts', 'consents')}`)
  }

  #addForgotten(): void {
    // An account's key for hashes of identities, from the first person on that it forgets.
    this.addSql(`create table forgotten_keys (
        id uuid primary key check (id = account_id),
        account_id uuid not null,
        sealed_key bytea not null
      );
      ${tenantTable('contacts', 'forgotten_keys')}
      create function sealed_rows(sealed_table text, after uuid, most integer)
        returns table (id uuid, account_id uuid)
        language sql stable security definer set search_path = contacts, pg_temp
        as $$ select k.id, k.account_id from forgotten_keys k
              where k.id > after order by k.id limit most $$;
      ${sealedCountsFunction('contacts', sealedTables)}`)

    // What forgotten people refuse, by a keyed hash of each identity: their stop outlives them.
    this.addSql(`create table forgotten_refusals (
        account_id uuid not null,
        identity_hash bytea not null,
        kind text not null ${checkOneOf('kind', ['opt_out', 'block'])},
        said_at timestamptz not null,
        primary key (account_id, identity_hash, kind)
      );
      ${tenantTable('contacts', 'forgotten_refusals')}`)
  }

  #addImports(): void {
    // An account without a row has no default country.
    this.addSql(`create table contact_settings (
        account_id uuid primary key,
        default_country text not null check (default_country ~ '^([A-Z]{2})?$'),
        -- By which the account's days begin.
        time_zone text not null default 'UTC'
      );
      ${tenantTable('contacts', 'contact_settings')}`)

    this.addSql(`create table imports (
        id uuid primary key,
        account_id uuid not null,
        file_name text not null,
        default_country text not null default '',
        -- What each column means, once the first line has been read.
        columns jsonb not null default '[]',
        state text not null ${checkOneOf('state', importStates)},
        total_bytes bigint not null,
        done_bytes bigint not null default 0,
        cursor jsonb,
        rows integer not null default 0,
        created integer not null default 0,
        updated integer not null default 0,
        duplicates integer not null default 0,
        rejected integer not null default 0,
        failure text not null default '',
        created_at timestamptz not null,
        finished_at timestamptz,
        -- When its refused rows were deleted.
        forgotten_at timestamptz,
        check (rows = created + updated + duplicates + rejected)
      );
      create unique index imports_running on imports (account_id) where state = 'running';
      create index imports_kept on imports (finished_at)
        where finished_at is not null and forgotten_at is null;
      ${tenantTable('contacts', 'imports')}`)

    this.addSql(`create table import_chunks (
        import_id uuid not null,
        seq integer not null,
        account_id uuid not null,
        bytes bytea not null,
        created_at timestamptz not null default now(),
        primary key (import_id, seq)
      );
      ${tenantTable('contacts', 'import_chunks')}`)

    this.addSql(`create table import_errors (
        import_id uuid not null references imports,
        line integer not null,
        account_id uuid not null,
        reason text not null,
        primary key (import_id, line)
      );
      ${tenantTable('contacts', 'import_errors')}`)
  }

  #addFunctions(): void {
    // A file's chunks are there before its import is; those of an upload that died are nobody's.
    this.addSql(`create function abandoned_uploads(before timestamptz)
        returns table (account_id uuid, import_id uuid)
        language sql stable security definer set search_path = contacts, pg_temp
        as $$ select c.account_id, c.import_id from import_chunks c
              where not exists (select from imports i where i.id = c.import_id)
              group by c.account_id, c.import_id having max(c.created_at) < before limit 100 $$;`)
    this.addSql(forgetImports)
    this.addSql(forgetConsents)
    // Plans for a tiny table stay until it is analyzed, and autovacuum comes a minute late.
    this.addSql(`create function analyze_grown() returns void
        language plpgsql security definer set search_path = contacts, pg_temp
        as $$ declare grown text; begin
          for grown in select relname from pg_stat_user_tables
            where schemaname = 'contacts' and n_mod_since_analyze > 10000
              and n_mod_since_analyze > n_live_tup / 10 order by relname
          loop execute format('analyze %I', grown); end loop;
        end $$;`)
  }
}
