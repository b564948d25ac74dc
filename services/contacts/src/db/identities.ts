import { query, sql, type Tx } from '@lockstep/database'
import type { Identity } from '../identity.ts'
import { type LockedContact, notMerged } from './locking.ts'
import { rowset } from './rowset.ts'

/** An identity of one account. */
export type OwnIdentity = Identity & { accountId: string }

/** What identifies an identity: the same number in two accounts is two people. */
type Key = Pick<OwnIdentity, 'accountId' | 'namespace' | 'matchKey'>
export const keyOf = ({ accountId, namespace, matchKey }: Key): string =>
  `${accountId} ${namespace} ${matchKey}`

const keyColumns = 'account_id uuid, namespace text, match_key text'
const keyRow = ({ accountId, namespace, matchKey }: Key) => ({
  account_id: accountId,
  namespace,
  match_key: matchKey,
})

/** The identity of each row of `v`; "offset 0" keeps the planner to the index, whatever it thinks of the size of the set. */
const identityOfRow = sql`lateral (select i.contact_id from identities i
  where i.account_id = v.account_id and i.namespace = v.namespace and i.match_key = v.match_key offset 0) i`

interface Owners {
  /** The contact that each identity leads to, by its key. */
  owners: Map<string, string>
  /** The last imports of these contacts and of the known ones, if all are locked now. */
  locked?: Map<string, string | null>
}

/**
 * The contacts that identities lead to. When every identity has one, as most have, they are locked in the same statement;
 * otherwise no contact is, for identities are claimed first.
 */
export async function findOwners(tx: Tx, asked: OwnIdentity[], known: string[]): Promise<Owners> {
  const rows = asked.map((identity, n) => ({ n, ...keyRow(identity) }))
  const found = await query<LockedContact & { n: number | null; contactId: string | null }>(
    tx,
    sql`with found as materialized (
          select v.n, i.contact_id from ${rowset(rows, `n int, ${keyColumns}`)} left join ${identityOfRow} on true),
        locked as materialized (
          select c.* from (select contact_id as id from found union select unnest(${known}::uuid[]) order by id) ids
            cross join lateral (select id, last_import_id, merged_into from contacts where id = ids.id offset 0 for no key update) c
          where not exists (select from found where contact_id is null))
        select f.n, f.contact_id as "contactId", l.id, l.last_import_id as "importId", l.merged_into as "mergedInto"
        from found f full join locked l on l.id = f.contact_id`,
  )
  const named = found.filter((row) => row.contactId !== null && row.n !== null)
  const owners = new Map(named.map((row) => [keyOf(asked[row.n!]!), row.contactId!]))
  return named.length === asked.length
    ? { owners, locked: notMerged(found.filter((row) => row.id !== null)) }
    : { owners }
}

export interface Claimed {
  contactId: string
  /** Something was said under it before, when it was another contact's: flags must be derived. */
  heard: boolean
}

/** Claims identities for contacts; answers those that are ours now, by key. Waits for transactions that claim the same. */
export async function claimIdentities(
  tx: Tx,
  claims: { identity: OwnIdentity; contactId: string }[],
): Promise<Map<string, Claimed>> {
  const rows = claims.map(({ identity, contactId }) => ({
    ...keyRow(identity),
    kind: identity.kind,
    contact_id: contactId,
  }))
  const claimed = await query<Key & Claimed>(
    tx,
    sql`insert into identities (account_id, namespace, kind, match_key, contact_id)
        select account_id, namespace, kind, match_key, contact_id from ${rowset(rows, `${keyColumns}, kind text, contact_id uuid`)}
        order by account_id, namespace, match_key
        on conflict (account_id, namespace, match_key) do nothing
        returning account_id as "accountId", namespace, match_key as "matchKey", contact_id as "contactId",
          exists (select from consents k where k.account_id = identities.account_id and k.namespace = identities.namespace
            and k.match_key = identities.match_key) as heard`,
  )
  return new Map(claimed.map((row) => [keyOf(row), row]))
}

/** The contact that each identity leads to now, by its key. A statement of its own: it sees what won while ours waited. */
export async function ownersOf(tx: Tx, asked: OwnIdentity[]): Promise<Map<string, string>> {
  const rows = await query<Key & { contactId: string }>(
    tx,
    sql`select v.account_id as "accountId", v.namespace, v.match_key as "matchKey", i.contact_id as "contactId"
        from ${rowset(asked.map(keyRow), keyColumns)} cross join ${identityOfRow}`,
  )
  return new Map(rows.map((row) => [keyOf(row), row.contactId]))
}

/** Gives identities that were claimed just now, and that nobody else has seen, to a contact that exists. */
export async function moveIdentities(
  tx: Tx,
  moves: { identity: OwnIdentity; to: string }[],
): Promise<void> {
  if (moves.length === 0) return
  const rows = moves.map(({ identity, to }) => ({ ...keyRow(identity), contact_id: to }))
  await sql`update identities i set contact_id = v.contact_id from ${rowset(rows, `${keyColumns}, contact_id uuid`)}
    where i.account_id = v.account_id and i.namespace = v.namespace and i.match_key = v.match_key`.execute(
    tx.sql,
  )
}
