import { tenantTable } from '@lockstep/database'

/** A person is no tenant's: each account sees those who belong to it. */
const people = `create table people (
    id uuid primary key,
    -- In lower case.
    email text not null unique,
    name text not null,
    -- Argon2id, in PHC form.
    password_hash text not null,
    created_at timestamptz not null
  );
  create table roles (
    id uuid primary key,
    account_id uuid not null references accounts,
    name text not null,
    rights text[] not null check (cardinality(rights) > 0),
    created_at timestamptz not null,
    unique (account_id, id)
  );
  create unique index roles_name on roles (account_id, lower(name));${tenantTable('accounts', 'roles')}
  create table members (
    account_id uuid not null references accounts,
    person_id uuid not null references people,
    -- One of the table of rights; null for one of the account's own.
    role text,
    role_id uuid,
    created_at timestamptz not null,
    primary key (account_id, person_id),
    foreign key (account_id, role_id) references roles (account_id, id),
    check (num_nonnulls(role, role_id) = 1)
  );
  create index members_of_role on members (account_id, role_id) where role_id is not null;
  create index owners on members (account_id, person_id) where role = 'owner';
  create index members_of_person on members (person_id, created_at);${tenantTable('accounts', 'members')}
  alter table people enable row level security;
  alter table people force row level security;
  create policy tenant on people to accounts using (exists (select 1 from members m where m.person_id = people.id));
  create policy owner on people to lockstep_owner using (true) with check (true);`

const sessions = `create table sessions (
    id uuid primary key,
    account_id uuid not null,
    person_id uuid not null,
    -- SHA-256 of the token's text.
    hash bytea not null unique,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    ends_at timestamptz not null,
    address text not null,
    user_agent text not null,
    foreign key (account_id, person_id) references members on delete cascade
  );
  create index sessions_of_person on sessions (person_id, account_id, id);
  create index sessions_ended on sessions (ends_at);
  create index sessions_unused on sessions (last_used_at);${tenantTable('accounts', 'sessions')}`

const invitations = `create table invitations (
    id uuid primary key,
    account_id uuid not null references accounts,
    -- In lower case; empty where who accepts names one.
    email text not null,
    -- One of the table of rights, or what a deleted one was called; null for one of the account's own.
    role text,
    role_id uuid,
    -- SHA-256 of the token's text.
    hash bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    withdrawn_at timestamptz,
    foreign key (account_id, role_id) references roles (account_id, id),
    check (num_nonnulls(role, role_id) = 1)
  );
  create index invitations_of_role on invitations (account_id, role_id) where role_id is not null;
  create index invitations_page on invitations (account_id, id);
  create index invitations_open on invitations (email, account_id) where accepted_at is null and withdrawn_at is null;${tenantTable('accounts', 'invitations')}`

/** Of an account, so that it is seen there; the password is the person's everywhere. */
const passwordResets = `create table password_resets (
    account_id uuid not null,
    person_id uuid not null,
    -- SHA-256 of the token's text.
    hash bytea primary key,
    -- Asked for by the operator or by the person; else it is good for a person of this account alone.
    for_several_accounts boolean not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    foreign key (account_id, person_id) references members on delete cascade
  );
  create index password_resets_of_person on password_resets (person_id);
  create index password_resets_expired on password_resets (expires_at);${tenantTable('accounts', 'password_resets')}`

/** Each brings one link: to an account, or to another password. */
const mails = `create table mails (
    id uuid primary key,
    account_id uuid not null references accounts,
    invitation_id uuid unique references invitations,
    reset_hash bytea references password_resets on delete cascade,
    recipient text not null,
    -- What the link is made of; null once it is mailed or given up.
    sealed_token bytea,
    created_at timestamptz not null,
    -- When the link ends.
    expires_at timestamptz not null,
    attempts integer not null default 0,
    mailed_at timestamptz,
    -- Why it was not accepted by the mail server so far.
    error text,
    check ((invitation_id is null) <> (reset_hash is null))
  );
  create index mails_of_reset on mails (reset_hash) where reset_hash is not null;${tenantTable('accounts', 'mails')}`

/** The person's everywhere; sealed for the account in which it was set up. */
const secondFactors = `create table second_factors (
    -- The person's.
    id uuid primary key references people,
    account_id uuid not null references accounts,
    sealed_secret bytea not null,
    created_at timestamptz not null,
    -- Before that signing in asks for no code.
    confirmed_at timestamptz,
    -- Of the last code that was used, in 30 s since the epoch.
    last_step bigint not null
  );
  ${tenantTable('accounts', 'second_factors')}
  create policy of_member on second_factors to accounts using (exists (select 1 from members m where m.person_id = second_factors.id));
  create table recovery_codes (
    person_id uuid not null references second_factors on delete cascade,
    -- SHA-256 of its letters and digits.
    hash bytea not null,
    used_at timestamptz,
    primary key (person_id, hash)
  );
  alter table recovery_codes enable row level security;
  alter table recovery_codes force row level security;
  create policy of_member on recovery_codes to accounts using (exists (select 1 from second_factors f where f.id = recovery_codes.person_id));
  create policy owner on recovery_codes to lockstep_owner using (true) with check (true);`

/** Names and addresses that nobody may have an account of: no tenant's either. */
const signInCounts = `create table sign_in_counts (
    -- SHA-256 of a name or an address.
    subject bytea primary key,
    tries integer not null,
    since timestamptz not null
  );
  create index sign_in_counts_since on sign_in_counts (since);`

/** What must be known before it is known whose rows are asked for. Owned by the owner. */
const functions = `create function person_to_sign_in(wanted text)
    returns table (id uuid, email text, name text, password_hash text, account_ids uuid[])
    language sql stable security definer set search_path = accounts, pg_temp
    as $$ select p.id, p.email, p.name, p.password_hash,
                 array(select m.account_id from members m where m.person_id = p.id order by m.created_at, m.account_id)
          from people p where p.email = wanted $$;
  create function add_person(person uuid, wanted text, called text, hash text, at timestamptz) returns table (id uuid)
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ insert into people (id, email, name, password_hash, created_at) values (person, wanted, called, hash, at)
          on conflict (email) do nothing returning people.id $$;
  create function accounts_of_person(person uuid) returns table (account_id uuid, name text, role text)
    language sql stable security definer set search_path = accounts, pg_temp
    as $$ select m.account_id, a.name, coalesce(m.role, r.name)
          from members m join accounts a on a.id = m.account_id left join roles r on r.id = m.role_id
          where m.person_id = person order by m.created_at, m.account_id $$;
  create function invited_account(token_hash bytea, at timestamptz) returns table (account_id uuid, email text)
    language sql stable security definer set search_path = accounts, pg_temp
    as $$ select i.account_id, i.email from invitations i
          where i.hash = token_hash and i.accepted_at is null and i.withdrawn_at is null and i.expires_at > at $$;
  create function open_invitations(wanted text, at timestamptz) returns table (account_id uuid, hash bytea)
    language sql stable security definer set search_path = accounts, pg_temp
    as $$ select distinct on (i.account_id) i.account_id, i.hash from invitations i
          where i.email = wanted and i.accepted_at is null and i.withdrawn_at is null and i.expires_at > at
          order by i.account_id, i.id desc limit 2 $$;
  create function person_to_reset(token_hash bytea, at timestamptz) returns table (account_id uuid, email text)
    language sql stable security definer set search_path = accounts, pg_temp
    as $$ select r.account_id, p.email from password_resets r join people p on p.id = r.person_id
          where r.hash = token_hash and r.expires_at > at $$;
  -- In all accounts: whoever had the password may be anywhere.
  create function end_sign_ins(person uuid, but_session uuid) returns void
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ delete from sessions where person_id = person and id is distinct from but_session;
          delete from password_resets where person_id = person $$;
  create function forget_password_resets(before timestamptz, most integer) returns integer
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ with old as (select hash from password_resets where expires_at < before order by expires_at limit most for update skip locked),
               gone as (delete from password_resets r using old where r.hash = old.hash returning 1)
          select count(*)::integer from gone $$;
  create function use_session(token_hash bytea, at timestamptz, unused_since timestamptz)
    returns table (account_id uuid, session_id uuid, person_id uuid, role text, own_rights text[])
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ with used as (
            update sessions s set last_used_at = at
            where s.hash = token_hash and s.ends_at > at and s.last_used_at > unused_since and s.last_used_at < at - interval '1 minute')
          select s.account_id, s.id, s.person_id, coalesce(m.role, r.name), r.rights
          from sessions s join members m on m.account_id = s.account_id and m.person_id = s.person_id
          left join roles r on r.id = m.role_id
          where s.hash = token_hash and s.ends_at > at and s.last_used_at > unused_since $$;
  create function end_session(token_hash bytea) returns void
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ delete from sessions where hash = token_hash $$;
  create function forget_sessions(ended_before timestamptz, unused_since timestamptz, most integer) returns integer
    language sql volatile security definer set search_path = accounts, pg_temp
    as $$ with old as (
            (select id from sessions where ends_at < ended_before order by ends_at limit most)
            union (select id from sessions where last_used_at < unused_since order by last_used_at limit most)),
          mine as (select id from sessions where id = any (array(select id from old)) order by id for update skip locked),
          gone as (delete from sessions where id = any (array(select id from mine)) returning 1)
          select count(*)::integer from gone $$;`

/** SQL of people, of what they may do and of how they sign in. */
export const peopleTables: readonly string[] = [
  people,
  sessions,
  invitations,
  passwordResets,
  mails,
  secondFactors,
  signInCounts,
  functions,
]
