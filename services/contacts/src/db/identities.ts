import { query, rowset, sql, type Tx } from '@lockstep/database'
import { type AccountIdentity, type IdentityKey, identityKey } from '../identities/identity.ts'
import { type LockedContact, lastImportsOf } from './contacts.ts'

const keyColumns = { accountId: 'uuid', namespace: 'text', matchKey: 'text' } as const

/** The identity of each row of `v`, where "offset 0" keeps the planner to the index. */
const identityOfRow = sql`lateral (select i.contact_id from identities i
  where i.account_id = v.account_id and i.namespace = v.namespace and i.match_key = v.match_key
  offset 0) i`

interface Owners {
  /** The contact that each identity leads to, by its key. */
  owners: Map<string, string>
  /** The last imports of these contacts and of the known ones, if all are locked now. */
  locked?: Map<string, string | null>
}

/**
 * The contacts of identities, locked if all have one: otherwise identities are to be claimed
 * before.
 */
export async function lockOwners(
  tx: Tx,
  asked: readonly AccountIdentity[],
  known: readonly string[],
): Promise<Owners> {
  const found = await query<LockedContact & { n: number | null; contactId: string | null }>(
    tx,
    sql`with found as materialized (
          select v.n, i.contact_id from ${rowset(asked, keyColumns, { ordinal: 'n' })}
            left join ${identityOfRow} on true),
        locked as materialized (
          select c.* from (select contact_id as id from found
                           union select unnest(${known}::uuid[]) order by id) ids
            cross join lateral (select id, last_import_id, merged_into, forgotten_at from contacts
                                where id = ids.id offset 0 for no key update) c
          where not exists (select from found where contact_id is null))
        select f.n::int as n, f.contact_id as "contactId", l.id, l.last_import_id as "importId",
          l.merged_into as "mergedInto", l.forgotten_at is not null as "isForgotten"
        from found f full join locked l on l.id = f.contact_id`,
  )
  const named = found.filter((row) => row.contactId !== null && row.n !== null)
  const owners = new Map(named.map((row) => [identityKey(asked[row.n! - 1]!), row.contactId!]))
  return named.length === asked.length
    ? { owners, locked: lastImportsOf(found.filter((row) => row.id !== null)) }
    : { owners }
}

export interface ClaimedIdentity {
  contactId: string
  /** Consents stand under it, from when it was another contact's. */
  hasConsents: boolean
}

/**
 * Claims identities, and answers those that were free, by key. Waits for transactions that claim
 * the same.
 */
export async function claimIdentities(
  tx: Tx,
  claims: readonly { identity: AccountIdentity; contactId: string }[],
): Promise<Map<string, ClaimedIdentity>> {
  const rows = claims.map(({ identity, contactId }) => ({ ...identity, contactId }))
  const columns = { ...keyColumns, kind: 'text', contactId: 'uuid' } as const
  const claimed = await query<IdentityKey & ClaimedIdentity>(
    tx,
    sql`insert into identities (account_id, namespace, kind, match_key, contact_id)
        select account_id, namespace, kind, match_key, contact_id from ${rowset(rows, columns)}
        order by account_id, namespace, match_key
        on conflict (account_id, namespace, match_key) do nothing
        returning account_id as "accountId", namespace, match_key as "matchKey",
          contact_id as "contactId",
          exists (select from consents k where k.account_id = identities.account_id
            and k.namespace = identities.namespace
            and k.match_key = identities.match_key) as "hasConsents"`,
  )
  return new Map(claimed.map((row) => [identityKey(row), row]))
}

/** The contact of each identity, by its key, as committed by now. */
export async function readOwners(
  tx: Tx,
  asked: readonly AccountIdentity[],
): Promise<Map<string, string>> {
  const rows = await query<IdentityKey & { contactId: string }>(
    tx,
    sql`select v.account_id as "accountId", v.namespace, v.match_key as "matchKey",
          i.contact_id as "contactId"
        from ${rowset(asked, keyColumns)} cross join ${identityOfRow}`,
  )
  return new Map(rows.map((row) => [identityKey(row), row.contactId]))
}

/** Gives identities that this transaction has just claimed to a contact that exists. */
export async function moveIdentities(
  tx: Tx,
  moves: readonly { identity: AccountIdentity; to: string }[],
): Promise<void> {
  if (moves.length === 0) return
  const rows = moves.map(({ identity, to }) => ({ ...identity, contactId: to }))
  await sql`update identities i set contact_id = v.contact_id
    from ${rowset(rows, { ...keyColumns, contactId: 'uuid' })}
    where i.account_id = v.account_id and i.namespace = v.namespace
      and i.match_key = v.match_key`.execute(tx.sql)
}
