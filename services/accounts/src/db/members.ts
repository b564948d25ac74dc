import { AppError } from '@lockstep/contracts'
import { query, queryOne, sql, type Tx } from '@lockstep/database'
import type { PersonRow } from './people.ts'
import { type RoleRef, roleColumns, storedRole } from './roles.ts'

/** A person in an account. */
export interface MemberRow extends PersonRow, RoleRef {
  joinedAt: Date
  hasSecondFactor: boolean
}

const columns = sql`p.id, p.email, p.name, ${roleColumns('m')}, m.created_at as "joinedAt",
  exists (select 1 from second_factors f where f.id = p.id and f.confirmed_at is not null) as "hasSecondFactor"`

/** A page of the account's members in the order of their ids. */
export function membersPage(
  tx: Tx,
  { after, limit }: { after: string; limit: number },
): Promise<MemberRow[]> {
  return query(
    tx,
    sql`select ${columns} from members m join people p on p.id = m.person_id
        where m.account_id = ${tx.accountId} ${after ? sql`and m.person_id > ${after}` : sql``}
        order by m.person_id limit ${limit}`,
  )
}

/** The account's member, locked; `not_found` also for another account's. */
export async function lockMember(tx: Tx, id: string): Promise<MemberRow> {
  const row = await queryOne<MemberRow>(
    tx,
    sql`select ${columns} from members m join people p on p.id = m.person_id
        where m.account_id = ${tx.accountId} and m.person_id = ${id} for no key update of m`,
  )
  if (!row) throw new AppError('not_found', `There is no member ${id}`)
  return row
}

/**
 * The ids of the account's owners, locked in their order: whoever waits sees what the one before has
 * changed.
 */
export async function lockOwners(tx: Tx): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    sql`select person_id as id from members where account_id = ${tx.accountId} and role = 'owner'
        order by person_id for no key update`,
  )
  return rows.map(({ id }) => id)
}

/** Makes a person a member; false when they are one already. */
export async function insertMember(
  tx: Tx,
  personId: string,
  role: RoleRef,
  at: Date,
): Promise<boolean> {
  const { named, roleId } = storedRole(role)
  const row = await queryOne(
    tx,
    sql`insert into members (account_id, person_id, role, role_id, created_at)
        values (${tx.accountId}, ${personId}, ${named}, ${roleId}, ${at})
        on conflict do nothing returning person_id`,
  )
  return row !== undefined
}

export async function giveRole(tx: Tx, id: string, role: RoleRef): Promise<void> {
  const { named, roleId } = storedRole(role)
  await sql`update members set role = ${named}, role_id = ${roleId} where account_id = ${tx.accountId} and person_id = ${id}`.execute(
    tx.sql,
  )
}

/** Takes a member out, with their sessions in the account. */
export async function deleteMember(tx: Tx, id: string): Promise<void> {
  await sql`delete from members where account_id = ${tx.accountId} and person_id = ${id}`.execute(
    tx.sql,
  )
}
