import { query, queryOne, rowset, sql, type Tx } from '@lockstep/database'
import type { IdentityKey } from '../identities/identity.ts'
import { dropValues } from './contact-values.ts'

export interface SealedKey {
  accountId: string
  sealedKey: Buffer
}

/** The keys of those accounts of the transaction that have forgotten somebody. */
export function sealedKeys(tx: Tx): Promise<SealedKey[]> {
  return query(
    tx,
    sql`select account_id as "accountId", sealed_key as "sealedKey" from forgotten_keys
        where account_id = any(${tx.accountIds}::uuid[])`,
  )
}

/** Gives the account its key unless it has one, and answers the one that it has. */
export async function ensureSealedKey(tx: Tx, fresh: Buffer): Promise<Buffer> {
  await sql`insert into forgotten_keys (id, account_id, sealed_key)
    values (${tx.accountId}::uuid, ${tx.accountId}::uuid, ${fresh})
    on conflict (id) do nothing`.execute(tx.sql)
  return (await sealedKeys(tx))[0]!.sealedKey
}

/** What a person refuses, and when they said something about it last. */
export interface Refusal {
  kind: 'opt_out' | 'block'
  saidAt: Date
}

/** What a locked contact refuses, as of its last consent of each kind. */
export async function refusalsOfContact(tx: Tx, contactId: string): Promise<Refusal[]> {
  return query(
    tx,
    sql`select v.kind, coalesce(max(k.said_at), now()) as "saidAt"
        from contacts c
          cross join lateral (values ('opt_out', 'opt_in', c.opted_out),
            ('block', 'unblock', c.blocked)) v(kind, taken_back_by, is_refused)
          left join identities i on i.contact_id = c.id
          left join lateral (
            select kind, said_at from consents where account_id = i.account_id
              and namespace = i.namespace and match_key = i.match_key offset 0) k
            on k.kind in (v.kind, v.taken_back_by)
        where c.id = ${contactId}::uuid and c.account_id = ${tx.accountId}::uuid and v.is_refused
        group by v.kind`,
  )
}

/** Keeps what identities refuse by their hashes, in place of what was kept of them before. */
export async function writeForgottenRefusals(
  tx: Tx,
  hashes: readonly Buffer[],
  refusals: readonly Refusal[],
): Promise<void> {
  await sql`delete from forgotten_refusals
    where account_id = ${tx.accountId}::uuid and identity_hash = any(${hashes}::bytea[])
      and kind <> all(${refusals.map(({ kind }) => kind)}::text[])`.execute(tx.sql)
  const rows = hashes
    .toSorted(Buffer.compare)
    .flatMap((identityHash) => refusals.map((refusal) => ({ identityHash, ...refusal })))
  if (rows.length === 0) return
  const columns = { identityHash: 'bytea', kind: 'text', saidAt: 'timestamptz' } as const
  await sql`insert into forgotten_refusals as f (account_id, identity_hash, kind, said_at)
    select ${tx.accountId}::uuid, v.identity_hash, v.kind, v.said_at from ${rowset(rows, columns)}
    on conflict (account_id, identity_hash, kind) do update
      set said_at = greatest(f.said_at, excluded.said_at)`.execute(tx.sql)
}

export interface HashedIdentity extends IdentityKey {
  contactId: string
  identityHash: Buffer
}

/** Records again what forgotten people refuse under identities, and answers whose those are. */
export async function recallConsents(tx: Tx, identities: HashedIdentity[]): Promise<string[]> {
  const columns = {
    accountId: 'uuid',
    namespace: 'text',
    matchKey: 'text',
    contactId: 'uuid',
    identityHash: 'bytea',
  } as const
  const rows = await query<{ contactId: string }>(
    tx,
    sql`insert into consents
          (account_id, namespace, match_key, contact_id, kind, via, evidence, said_at)
        select v.account_id, v.namespace, v.match_key, v.contact_id, f.kind, 'forgotten', '',
          f.said_at
        from ${rowset(identities, columns)}
          join forgotten_refusals f
            on f.account_id = v.account_id and f.identity_hash = v.identity_hash
        order by v.account_id, v.namespace, v.match_key, f.kind
        on conflict do nothing returning contact_id as "contactId"`,
  )
  return rows.map(({ contactId }) => contactId)
}

/** Locks all contacts of a person in the order of their ids. */
export async function lockPerson(tx: Tx, ids: readonly string[]): Promise<void> {
  await sql`select from contacts where id = any(${ids}::uuid[])
    and account_id = ${tx.accountId}::uuid order by id for no key update`.execute(tx.sql)
}

/** Takes a locked contact's identities away with all that was said under them. */
export async function deleteIdentities(tx: Tx, contactId: string): Promise<IdentityKey[]> {
  const gone = await query<IdentityKey>(
    tx,
    sql`delete from identities
        where contact_id = ${contactId}::uuid and account_id = ${tx.accountId}::uuid
        returning account_id as "accountId", namespace, match_key as "matchKey"`,
  )
  const keys = { accountId: 'uuid', namespace: 'text', matchKey: 'text' } as const
  await sql`delete from consents k using ${rowset(gone, keys)}
    where k.account_id = v.account_id and k.namespace = v.namespace
      and k.match_key = v.match_key`.execute(tx.sql)
  return gone
}

/** Leaves of locked contacts nothing but their ids and when each came and went. */
export async function blankContacts(tx: Tx, ids: readonly string[]): Promise<void> {
  await sql`delete from contact_tags where contact_id = any(${ids}::uuid[])
    and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
  await dropValues(tx, ids)
  await sql`update contacts set name = '', profile_name = '', profile_name_at = null,
      username = '', username_at = null, phone = '', phone_at = null, wa_id = '', wa_id_at = null,
      user_id = '', user_id_at = null, email = '', language = '', time_zone = '',
      attributes = '{}', opted_out = false, blocked = false, last_inbound_at = null,
      last_import_id = null, archived_at = coalesce(archived_at, now()), forgotten_at = now(),
      updated_at = now()
    where id = any(${ids}::uuid[]) and account_id = ${tx.accountId}::uuid`.execute(tx.sql)
}

/** Whether a contact of the account was forgotten. */
export async function isForgotten(tx: Tx, id: string): Promise<boolean> {
  const row = await queryOne<{ forgotten: boolean }>(
    tx,
    sql`select forgotten_at is not null as forgotten from contacts
        where id = ${id}::uuid and account_id = ${tx.accountId}::uuid`,
  )
  return row?.forgotten ?? false
}
