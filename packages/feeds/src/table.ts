import { type RawBuilder, sql } from '@lockstep/database'

const hashSql = (key: string) =>
  `(get_byte(sha256(${key}::bytea), 0) * 256 + get_byte(sha256(${key}::bytea), 1))`

/** What `hashOfKey` of contracts computes, of a column. */
export const keyHashOf = (column: string): RawBuilder<number> => sql.raw(hashSql(column))

/**
 * SQL of a service's feed: entries that wait for a worker, and those that were given up. They have
 * no tenant.
 */
export const feedTable = `
  create table feed_open (
    lane text not null,
    key_hash integer not null generated always as ${hashSql('key')} stored,
    key text not null,
    id bigint not null generated always as identity,
    kind text not null default '',
    account_id uuid,
    row_id text not null default '',
    -- Null where the content stands in rows of the service.
    body bytea,
    bytes integer not null default 0,
    attempts integer not null default 0,
    not_before timestamptz,
    -- Of an entry that was dead once: what its content would say.
    app_id text,
    as_of timestamptz,
    created_at timestamptz not null default now(),
    primary key (lane, key_hash, key, id)
  ) with (fillfactor = 80);
  create index feed_open_fresh on feed_open (lane, key_hash) where not_before is null;
  create index feed_open_later on feed_open (lane, not_before) where not_before is not null;
  create table feed_dead (
    id bigint primary key,
    lane text not null,
    key text not null,
    kind text not null,
    account_id uuid,
    row_id text not null,
    -- The content, for what it stood in may be gone by the time that somebody looks.
    body bytea,
    bytes integer not null,
    attempts integer not null,
    app_id text,
    as_of timestamptz,
    created_at timestamptz not null,
    reason text not null,
    dead_at timestamptz not null default now()
  );
  create index feed_dead_lane on feed_dead (lane, id);
  create index feed_dead_own on feed_dead (account_id, id);`
